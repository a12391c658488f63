"""English sentences of 6 to 14 words, written for this project."""

TRAIN = """
Bob may pop the map into my old bag.
The baby bear found five big berries by the path.
We saw the large brown dog near the river.
Please measure the fish before you put it back.
She thinks that both of those boys are wrong.
My mother baked bread and jam for the whole village.
Every summer we move the boat up the beach.
The judge chose a huge orange chair by the door.
Who would have thought the moon could be so blue?
He gave the visitor a very fine silver knife.
A young poet wrote three books about the sea.
Do not push the button while the lamp is on.
Pam bumped her elbow on the bottom of the pump.
The king sang a long song to the young queen.
Wait a minute, the water is not warm enough.
Few people know how far the owl can fly.
The usual treasure is hidden under the azure stone.
Maybe the farmer will help us mend the fence.
Our teacher showed us a map of the island.
The cheap watch stopped at half past four.
Boys and girls jumped over the broken bridge.
I would rather read a good book than sleep.
Vera loves the view over the valley in November.
Put the purple plums in a pot and boil them.
This thin cloth is smoother than that thick one.
The shop on the corner sells fresh fish and chips.
You always choose the yellow cup for your tea.
He hardly heard the horse behind the high hedge.
A small spark can start a large fire.
The blue bottle fell off the table and broke.
We hope to open the new museum in May.
Mary and Tom met at the farm before breakfast.
They walked away slowly while we waved goodbye.
The mouse ate the cheese from the pantry shelf.
A row of old houses stood above the harbour.
Please show me the shortest way to the station.
The pilot lowered the plane through the morning fog.
George enjoys the magic of old jazz music.
No one was home when the letter arrived.
The weather on Thursday will be worse than today.
I forgot my umbrella on the number five bus.
The poor man carried the heavy box up the hill.
Put your shoes outside if they are wet.
The bell above the tower rings at noon.
Two tall trees grew beside the narrow road.
Could you move the green couch toward the wall?
A wolf came down from the woods last winter.
The cook burned the beans but saved the soup.
Many birds fly south when the leaves fall.
His voice was calm, but his hands were shaking.
We watched the waves wash over the white sand.
The painter mixed blue and yellow to make green.
Her cousin owns a farm with fourteen sheep.
The old clock on the wall is always early.
Bring me a pen, some paper and a ruler.
The child drew a pink elephant with big ears.
They built the house of stone and dark oak.
The purple bird was perched upon the garden gate.
A loud noise woke everybody up at five.
The train to Boston leaves from platform two.
I believe we have met once before, in Vienna.
The judge measured every word before she spoke.
Seven ships sailed slowly across the silent sea.
Five fat frogs jumped off the floating leaf.
Which of these paths goes to the waterfall?
The boy with the red cap won the race.
A warm bath is good for tired muscles.
Both brothers work together in the other shop.
The nurse poured hot water into the bowl.
We shall finish the job by Monday afternoon.
My uncle used to play the violin very well.
The rabbit hid behind the bush all morning.
There was a pool of oil under the car.
The mayor opened the bridge with a short speech.
Someone must have moved the ladder last night.
Fresh bread smells better than any perfume.
The puppy chewed up both of my brown boots.
He whispered the answer so nobody else would hear.
Our boat drifted past a chain of green islands.
The tailor made the coat a bit too wide.
The sun rose above the roofs of the town.
I heard them laugh in the room above me.
The map shows a cave beyond the second hill.
Please be quiet, the baby is finally asleep.
The miller's wife bought a pound of butter.
An honest man is worth more than gold.
The wind blew the papers all over the yard.
Bees make honey from the flowers of the lime tree.
The doctor wrote a note for the young father.
Maple leaves turn red and yellow in the fall.
He put the pie upon the window to cool.
Their vision of the future was rather unusual.
We bought a pair of gloves and a wool scarf.
The captain gave a sharp command to his men.
She wore a bright blue ribbon in her hair.
A pony pulled the small cart through the mud.
The library closes at eight on Friday evening.
How many people live in that huge building?
The bus moved off before we could pay.
Chocolate cake with cream was his only wish.
The shepherd followed the path above the lake.
I never thought the exam would be so easy.
The teapot is full, but the cups are empty.
A thief took both of the leather chairs.
The ferry to the island was full by six.
Why did the goose cross the frozen field?
My sister paints clouds above every ship she draws.
The baker woke before dawn to light the oven.
Pour the vinegar into a small glass jar.
We found footprints of a fox beneath the bush.
The mayor's speech was shorter than the applause.
Give the puppy some room or it will bark.
Eleven owls watched us from the old barn.
The bridge was built by my great grandfather.
Leave the muffins on the shelf beside the bowl.
Though the path was rough, the view was superb.
His voyage took him far beyond the equator.
Both babies began to babble at the same moment.
The museum keeps a mammoth tooth behind glass.
Would you mind if I borrowed your brown boots?
A puff of smoke rose above the blue chimney.
The violins were louder than the rest of us.
I wonder whether the shop sells beeswax.
The thirsty traveller thanked the farmer for the milk.
Push the heavy box against the far wall.
Many moths flew round the lamp all evening.
She whistled a tune that nobody else knew.
The vet wrapped a bandage about the pup's paw.
Your answer was wrong, but your method was good.
The judge wore a beige jacket to the village fair.
Oysters and mushrooms are cooked in the same butter.
They showed us the shadow of the ship on the shore.
A foolish fellow threw the map off the bus.
The weaver used threads of wool, silver and hemp.
If you peel the apple, I will beat the eggs.
Someone has moved the chairs from the porch.
The boy put a pebble in my empty cup.
Few visitors have ever seen the upper vault.
The radio warned us of thick fog before noon.
We played a game of marbles on the pavement.
A herd of cows blocked the narrow lane.
Hang the wet towels over the wooden rail.
The young chef measures everything with a spoon.
Maybe the plumber can mend the pipe by Wednesday.
It was a pleasure to hear your choir again.
The wolf howled while the moon hid behind clouds.
Bob's uncle bought a pair of velvet shoes.
The wind moved the leaves but not the stone.
Every child in the row held a paper flag.
We should have packed an extra bottle of water.
"""

VAL = """
The brown bag by the door belongs to Peter.
You may put the milk back when you finish.
Three thousand people watched the football match.
The chef chopped the onions with a sharp knife.
We were told that the road was closed.
Her favourite colour is a pale shade of violet.
The fog above the river vanished before noon.
A big bump in the road broke my wheel.
Joyce could hear the ocean from her bedroom.
Please leave the package beside the garage.
Nobody knew why the young man had gone away.
The mice made a warm bed of soft wool.
The beaver built a dam across the brook.
Why is the museum closed every Monday morning?
A yellow leaf fell into my cup of tea.
The thief forgot both gloves on the shelf.
Move the piano away from the open window.
My father hums while he peels potatoes.
The village choir sang above the noise of rain.
He showed the judge a map of the bay.
Should we wash the bowls before the guests arrive?
Few fish live in this part of the river.
"""

TEST = """
My brother brought a bag of pepper from Bombay.
The fishermen pulled the empty boat up the shore.
Could you give me five more minutes, please?
A bright moon shone over the quiet valley.
The boxer beat the champion in the final round.
They put the yellow paint above the blue one.
What would you do with a thousand pounds?
The garden is full of apples, plums and pears.
She usually measures the flour with a cup.
Mike promised to buy the bread on the way home.
The huge machine chewed through the thick wall.
A few of us would rather go by train.
The violin sounded thin in the large hall.
Perhaps the postman has forgotten about us.
The king and his children slept in the tower.
We may move to a bigger house in spring.
Both of the maps were wrong about the path.
The old woman wove a basket of willow.
Her voice was heard from the top of the hill.
A brave puppy barked at the passing wagon.
Nothing in this room belongs to my father.
The judge asked the jury to listen very carefully.
Snow fell on the roof of the empty farm.
Put on your gloves before you go outside.
The water in the pool was pure and blue.
Beth thought the show was funny but too long.
Our plane to Rome leaves early in the morning.
He opened his mouth, but no words came out.
A purple bow was tied about the parcel.
The farmer's wife boiled five pots of jam.
Would you push that button for me, please?
The thunder woke both boys before four.
We measured the room with a wooden ruler.
His mother wove a thick blanket for the baby.
The chef put mushrooms in almost everything.
Very few people remember the old bridge now.
The ship moved slowly past the white cliffs.
You could hear the bees above the garden wall.
My cousin joined a choir in Vienna last year.
The fox jumped over the fence and vanished.
"""
