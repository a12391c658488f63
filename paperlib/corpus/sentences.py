"""What the embedded speakers say: sentences written for this project, split so that no sentence of one split is heard in another."""

from __future__ import annotations

from paperlib.errors import InputError

_EN_TRAIN = """
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
"""

_EN_VAL = """
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
"""

_EN_TEST = """
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
"""

_ZH_TRAIN = """
今天早上我们去公园散步。
妈妈买了面包和苹果。
请你把门打开，好吗？
北京的冬天非常冷。
我的朋友不喜欢喝咖啡。
小猫在沙发上睡觉。
他每天坐火车去上班。
明天可能会下大雨。
这本书是我爸爸写的。
老师让我们读一遍课文。
桌子上放着八个白色的杯子。
她跑得比我快得多。
"""

_ZH_VAL = """
我把雨伞忘在学校里了。
飞机慢慢地飞过了高山。
"""

_ZH_TEST = """
我们一边吃饭一边看电视。
弟弟帮爷爷搬木头。
秋天的树叶又红又黄。
不要怕，明天一定会更好。
春风吹绿了河边的草地。
你能告诉我图书馆怎么走吗？
"""

_ALL = {
    "en": {"train": _EN_TRAIN, "val": _EN_VAL, "test": _EN_TEST},
    "cmn": {"train": _ZH_TRAIN, "val": _ZH_VAL, "test": _ZH_TEST},
}


def sentences(split: str, language: str = "en") -> list[str]:
    """Sentences of a split: 104 / 12 / 28 English ("en"), 12 / 2 / 6 Mandarin ("cmn"), always in the same order.

    Raises InputError for a split other than train, val, test or another language.
    """
    if language not in _ALL:
        raise InputError(f"no sentences in language {language!r}; there are: {', '.join(_ALL)}")
    if split not in _ALL[language]:
        raise InputError(f"unknown split {split!r}; choose one of: {', '.join(_ALL[language])}")
    return _ALL[language][split].strip().splitlines()
