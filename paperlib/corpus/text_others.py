"""Mandarin, German and Spanish sentences, written for this project."""

CMN_TRAIN = """
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
下班以后我们一起去吃饭吧。
爸爸把车停在门口了。
这座山比那座山高一些。
我昨天买了一本新书。
外面风很大，多穿一件衣服。
他的普通话说得非常好。
奶奶在院子里种了许多花。
火车马上就要出发了。
你吃过北方的饺子没有？
学生们都坐在教室里写字。
我把手机放在包里了。
那个小男孩跑得飞快。
医生让他多喝水，少抽烟。
每到春天，河边开满了桃花。
我们的办公室在八楼。
月亮慢慢地爬上了山坡。
请帮我把窗户关上。
他不知道怎么回答这个问题。
姐姐买了一双红皮鞋。
冬天的早晨，马路上人很少。
我想给妈妈打一个电话。
白色的鸟飞过了湖面。
这道菜又便宜又好吃。
朋友送给我一幅漂亮的画。
他一边跑步一边听音乐。
别忘了明天早上八点开会。
孩子们在沙滩上玩水。
图书馆里不可以大声说话。
"""

CMN_VAL = """
我把雨伞忘在学校里了。
飞机慢慢地飞过了高山。
门前有一棵很老的苹果树。
妹妹跟妈妈学做包子。
飞机票比火车票贵得多。
他们坐船游览了美丽的湖。
我每天晚上都读半个小时书。
请你慢慢说，我听不明白。
"""

CMN_TEST = """
我们一边吃饭一边看电视。
弟弟帮爷爷搬木头。
秋天的树叶又红又黄。
不要怕，明天一定会更好。
春风吹绿了河边的草地。
你能告诉我图书馆怎么走吗？
马路对面有一家面包店。
我父亲年轻的时候是木匠。
他把杯子放回了厨房。
今年夏天比去年热得多。
我们坐公共汽车去博物馆。
你喜欢喝茶还是喝咖啡？
老虎和豹子都会爬树。
下雪以后，屋顶变白了。
弟弟怕黑，不敢一个人睡。
她的声音又轻又好听。
"""

DE_TRAIN = """
Der kleine Vogel sang am frühen Morgen.
Meine Mutter backt heute einen großen Apfelkuchen.
Wir fahren im Sommer mit dem Fahrrad ans Meer.
Bitte bring mir ein Glas kaltes Wasser.
Der alte Baum vor dem Haus ist umgefallen.
Sie möchte lieber im Garten arbeiten als kochen.
Auf dem Markt kaufen wir frisches Brot und Pflaumen.
Der Zug nach Bremen hat schon wieder Verspätung.
Warum bleibst du nicht noch ein paar Minuten?
Das Mädchen malt ein blaues Pferd auf Papier.
Mein Bruder wohnt seit fünf Jahren in Wien.
Am Abend wurde es über den Bergen kühl.
Der Lehrer öffnete das Fenster und schwieg.
Viele Menschen warten vor der neuen Bäckerei.
Die Puppe liegt unter dem Bett im Zimmer.
Hast du meinen roten Pullover irgendwo gesehen?
Der Wind wehte die Blätter über den Hof.
Wir müssen morgen früh um sieben aufstehen.
Das Boot schwamm langsam den Fluss hinab.
Ein guter Freund hört auch die leisen Töne.
"""

DE_VAL = """
Der Bäcker öffnet seinen Laden vor sechs Uhr.
Die Blumen auf dem Balkon brauchen mehr Wasser.
Er vergaß beide Handschuhe im Bus.
Wo hast du das schöne Buch gefunden?
"""

DE_TEST = """
Im Winter füttern wir die Vögel am Fenster.
Die Brücke über den Bach ist sehr schmal.
Mein Vater pflückt Birnen für die Nachbarn.
Könnten Sie mir bitte den Weg erklären?
Der Maler mischt Gelb und Blau zu Grün.
Sie hob den Becher und trank ihn aus.
Ein brauner Hund schlief vor dem Ofen.
Wir hörten Musik aus dem oberen Stock.
"""

ES_TRAIN = """
El pequeño barco salió del puerto al amanecer.
Mi madre prepara una sopa de verduras muy buena.
Los niños juegan en la plaza después de comer.
Por favor, abre la ventana de la cocina.
El profesor escribió una palabra en la pizarra.
Compramos pan, fruta y queso en el mercado.
La abuela guarda las fotos en una caja azul.
Mañana vamos a visitar el museo con mi primo.
Un perro blanco duerme bajo la mesa.
El tren de Bilbao llegó media hora tarde.
No puedo encontrar las llaves de mi casa.
La lluvia golpeaba el techo toda la noche.
Mis amigos viven cerca del río y del bosque.
El pintor mezcla el rojo con un poco de blanco.
Quiero beber un vaso de agua fresca.
Las nubes pasaban despacio sobre la montaña.
El panadero abre su tienda muy temprano.
Siempre leemos un poema antes de dormir.
La puerta del jardín está hecha de madera.
Nadie sabe quién puso la flor en el vaso.
"""

ES_VAL = """
El músico olvidó su violín en el autobús.
Bebemos café con leche por la mañana.
La maestra nos mostró un mapa muy viejo.
Hay un pájaro amarillo en aquella rama.
"""

ES_TEST = """
El viento movía las hojas del árbol.
Pablo busca un libro sobre barcos antiguos.
Mi hermana toca el piano todos los viernes.
Pon las manzanas en el plato, por favor.
La luna brillaba sobre el mar tranquilo.
Cuando era joven, mi padre vivía en Cuba.
El gato blanco saltó por la ventana abierta.
Nunca he visto una playa tan bonita.
"""
