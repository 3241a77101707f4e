"""Word lists for the invented film catalog: names, places, studios, genre and tone weights, famous titles.

Every person, place, ship and studio is invented.  Name pools keep one cultural flavour per film.
"""

from __future__ import annotations

from typing import NamedTuple

TONES: tuple[str, ...] = ("warm", "bleak", "wry", "tense", "dreamy", "playful", "epic", "intimate")


class Flavour(NamedTuple):
    """One naming flavour; every field is a space-separated list."""

    women: str
    men: str
    surnames: str
    starts: str
    towns: str
    lands: str
    peaks: str


FLAVOURS: dict[str, Flavour] = {
    "nordic": Flavour(
        "Solveig Ingrid Ragna Tuva Liv Sigrun Elsa Maren Thora Astrid Hedda Runa Jorunn Dagny",
        "Eirik Halvard Torsten Anders Leif Sindre Gunnar Mikkel Aksel Jorgen Oskar Tarjei Vidar Rolf",
        "Halvorstad Brekkmoen Lindqvar Torvaldsby Skaarvik Nygaarden Fjellheimer Solbakk Ostergren Vintermark "
        "Haugland-Moe Strandvold Kvernberg Rundhaug Aaslund Myklestrand Dahlvang Tysnesen",
        "Skar Hjel Tors Varn Brenn Olm Stor Lund Grim Falk Eld Vest",
        "vik holm fjord sund havn dal nes strand",
        "mark land heim rike",
        "tind horn fjell egg",
    ),
    "iberian": Flavour(
        "Inés Carmela Rosaura Luz Pilar Jacinta Marisol Amparo Beatriz Consuelo Elvira Nieves Paloma Remedios",
        "Joaquín Mateo Anselmo Rafael Ignacio Tomás Evaristo Lázaro Benito Damián Fermín Hilario Octavio Tadeo",
        "Valdemora Quintarelo Montalbes Saavedría Ocampera Villasol Carreñal Zamorel Peralonso Hinojal Arrebola "
        "Luarqués Belmontero Torreblas Cantalejo Morantes Robledal Espinarra",
        "Alm Torr Vald Cal San Mont Pal Bel Rib Cast Ser Olv",
        "amera ovales ezuela armas ilar onda aceda erosa",
        "anza andia oria uelva",
        "azor umbre ejo ucena",
    ),
    "slavic": Flavour(
        "Milena Darya Zofia Ludmila Vesna Halina Katya Irina Bronia Jadwiga Nadezhda Olena Tamara Yeva",
        "Bogdan Pavel Radek Miroslav Stepan Andrei Kazimir Lev Zoran Dušan Ilya Jaromir Tadeusz Vasil",
        "Korzhenko Wolinski-Bor Dragomirec Vasilchuk Zelenkov Hrabowiec Petrunov Maslakov Jezernik Brodovsky "
        "Kalinar Ostrogor Lipnicki Stanomir Vranko Belodub Marushkin Tomczar",
        "Vor Brez Zel Kost Dub Rado Mir Lip Star Var Kras Oles",
        "ovets nitsa grad anka ovo omir insk ava",
        "ovia inia avia ania",
        "nik ech gora ota",
    ),
    "african": Flavour(
        "Adunni Nkechi Amara Folake Wanjiru Zodwa Aminata Efua Sade Thandeka Makena Abena Fatou Ngozi",
        "Kwabena Tunde Sipho Mamadou Chidi Kamau Olufemi Themba Yaw Bakary Jelani Kofi Obinna Tendai",
        "Adebanwo Okonjira Mwangola Diarrassou Nkosimali Boatenkwa Ezeomah Kiplagwe Sowande Mabuzela Osei-Duku "
        "Traolé Chikwemba Wairimbo Olanrebi Asamoro Nwafuru Gakurwe",
        "Aba Kum Olo Zan Iba Mak Ndo Lua Sek Bam Oko Tam",
        "dara bola kutu riba nzi seko gani lomo",
        "ria wana landa soro",
        "njaro weni gulu bari",
    ),
    "eastasian": Flavour(
        "Haruka Mei-Lan Sachiko Yun-Seo Natsumi Lihua Akane Soo-Ah Fumiko Xiaowen Michiru Hye-Rin Tomoe Qing",
        "Kenji Wei-Han Takumi Jae-Won Shiro Baolin Noboru Min-Kyu Isamu Zhengyu Haruto Dong-Il Goro Liang",
        "Mizukawara Tanabara Shirogane Okamura-Sato Hoshizuka Kanedori Natsugawa Fujimaro Linshao Baekho Zhuyan "
        "Hanamori Seongju Wuliang Kurosaka Amagiri Takemizu Moonhae",
        "Aka Hoshi Kiri Mina Taka Yuki Naga Sora Kuma Matsu Hana Iwa",
        "zaki hama kawa mura tani dori saka numa",
        "shima ryu kuni sei",
        "dake yama gami mine",
    ),
    "southasian": Flavour(
        "Anjali Meenakshi Roshni Kamala Devika Sharada Nandini Ishani Lakshmi Parvin Tara Vasudha Chitra Leela",
        "Arjun Raghav Devendra Imran Keshav Madhav Suresh Vikram Anand Bashir Girish Harun Manohar Naveen",
        "Chandrapal Venkatarao Mukherjani Rahmanpur Deshvande Iyenathan Kulkarsena Bhaduria Tharoonan Qureshvi "
        "Nambirajan Sengupati Raikarta Jayasundra Malhavtra Pillaiyar Wadhera Basrani",
        "Chand Raj Mala Kora Devi Suna Bhav Nila Pala Amra Tiru Jala",
        "pura nagar garh kota patti ganj wadi ghat",
        "desh stan vana khand",
        "giri parvat kunda shikhar",
    ),
    "levantine": Flavour(
        "Layla Samira Nour Yasmin Hanan Zeynep Rima Dalal Elif Salma Maha Shirin Widad Aylin",
        "Karim Yusuf Nabil Tariq Emre Idris Faris Hamid Selim Jamal Rashid Orhan Walid Ziad",
        "Haddadin-Azar Khouralli Sabbaghan Mansourel Yildizan Barakeh Farhoudi Nasrallim Demirkaya Aswadi "
        "Tabrizan Zaytouni Karaselim Qasimir Halabyan Ruhaneh Saffarin Ozanlar",
        "Qas Har Zahr Bel Sam Nad Tel Mar Azr Jab Dar Kar",
        "amara issa ouna adir abad ima iyeh ufa",
        "istan aria amia oran",
        "kaya dagh abal unar",
    ),
    "celtic": Flavour(
        "Bronagh Catrin Morwenna Isla Nuala Rhian Fionnuala Elspeth Gwenda Tamsin Orla Mairead Ailsa Seren",
        "Cormac Gethin Alasdair Fergal Emrys Ruairi Perran Duncan Idwal Callum Piran Lorcan Hamish Owain",
        "Trevannock Maccallan Penhallion Gilbraidh Llanover O'Shanlow Carrickmoor Tregunnal Dunmorrow Pendarrick "
        "Kilbrannan MacAuslin Rosewarran Abercarn Glenmurrow Fitzhallin Boscarron Tullivane",
        "Tre Pen Car Dun Kil Inver Glen Lan Aber Bally Ros Ard",
        "morran garrow wennan loch brae vannick dermot lissy",
        "mara hallow shire gael",
        "more carn law vean",
    ),
    "english": Flavour(
        "Harriet Beatrix Winifred Nell Agnes Constance Ivy Rosalind Maud Clementine Edith Tabitha Josephine Hester",
        "Silas Ambrose Walter Gideon Percival Arthur Jonah Barnaby Edmund Wilfred Caleb Rufus Theo Leander",
        "Thackerbury Wetherlock Ashgrave Marlowick Pettifold Brambleton Hawksmead "
        "Ravensdale-Orr Tolliford Greaves-Lunt "
        "Quillfeather Stanbrook Oakhanger Larkenby Cobbleswick Harrowgate-Poole Winterbourn Fennimark",
        "Wex Ash Thorn Marl Hazel Wyn Brack Cold Mill Har Stan Oak",
        "combe wick bury ham stead mere low ford",
        "shire land moor wold",
        "tor pike fell crag",
    ),
    "italian": Flavour(
        "Ginevra Loredana Fiorella Chiara Ottavia Serafina Mirella Donata Rosetta Ilaria Bianca Agnese Livia Perla",
        "Ettore Corrado Silvano Amedeo Ruggero Fabrizio Gaspare Oreste Tiberio Renzo Lorenzo Vito Ercole Nino",
        "Bellacorte Montefiori Scaramello Vendramolo Castagnari Lombrusco Pellegrosi Tarantelli Quattrocase Malvestro "
        "Boscovero Ferrantini Guidalotti Santorelli-Pace Zanibelli Cavalmoro Ardizzi Belloncini",
        "Mont Cast Ver Sal Port Bor Cam Ros Vil Terr Ort Ces",
        "evalle amara oletto ignano arosa ezzo iglia anova",
        "ania alia ovia urna",
        "alto ergo orno isa",
    ),
}

REALMS: str = (
    "Ysmere Caldoreth Vael-Anor Tirrowen Ostrimar Hallowfen Eskandar Morvane Quillith Zarandel Brannoch-Dun "
    "Ilvermaur Sorrowhythe Athelmere Kessandra Ghorlund Lirienne Pharazel "
    "Undermoon Wyverlay Tamorith Elharrow "
    "Nimbrasse Corvanthe Dusklevain Orrowind Selkamar Velistrane Thistlemarch Aurivend Maravelle Ondrath"
)
FANTASY_WOMEN: str = (
    "Ysolde Maerith Tavi Elowyn Sennara Brisk Ondine Kestra Wrenna Ilsabet Nyssa Orlaith Fenna Zhara "
    "Corrisande Thessaly Marrow Liriel Hesperine Vesh"
)
FANTASY_MEN: str = (
    "Corren Aldric Tobin Ravel Hask Oswin Jorin Merrick Tamsel Ghent Ludo Bracken Yarrow Edrin "
    "Castor Fael Ulric Perrin-Ash Dorrick Nim"
)
FANTASY_SURNAMES: str = (
    "Ashwater Thornlight Greymantle Saltmarrow Underhay Vane-Hollow "
    "Cinderby Mosswick Starling-Dray "
    "Nightbarrow Fallowmere Brightreed Ironhythe Wolfsbane-Lea Duskwright Emberlain"
)
PLANETS: str = (
    "Kessim Hadron's-Reach Tolliver-9 Oriol Vantry Callis-Minor Ninhursa "
    "Perdita-Nine Yarrow's-World Sethune "
    "Ombrey Little-Carthane Maruvia Khepri-Deep Thalassine Ganzir New-Varna "
    "Ashkelore Ilmatar-Two Brightwell "
    "Corundum Dray-Station Elsinaar Fathom-Six Quietus Harrowgate-Prime "
    "Junovar Lacuna-Four Mirzam-Beta Novembra"
)
SHIPS: tuple[str, ...] = (
    "Patient Margaret",
    "Grey Heron",
    "Second Helping",
    "Halcyon Sparrow",
    "Widow's Mite",
    "Prudent Folly",
    "Amber Lark",
    "Marigold Vane",
    "Northern Thimble",
    "Good Intention",
    "Salt Duchess",
    "Velvet Anchor",
    "Saint Brannoc",
    "Idle Comet",
    "Constant Rosamund",
    "Borrowed Star",
    "Copper Pilgrim",
    "Wandering Aunt",
    "Ivory Tern",
    "Tardy Apostle",
    "Blue Persimmon",
    "Lady Umbra",
    "Sober Judge",
    "Gilded Moth",
    "Evening Ledger",
    "Kindly Orphan",
    "Thirteenth Oar",
    "Queen of Thursdays",
    "Lantern Jack",
    "Merry Abbess",
    "Obedient Storm",
    "Pale Cartographer",
    "Quince Blossom",
    "Restless Abbot",
    "Silver Ladle",
    "Tenacious Ruth",
    "Unsent Letter",
    "Vagrant Bell",
    "Winter Apricot",
    "Zephyr and Sons",
)
STATIONS: tuple[str, ...] = (
    "Cape Vesper",
    "Aldis Deep",
    "Orbital Nine Thule",
    "Polar Camp Erebos",
    "Marchbanks Nine",
    "Halden Shelf Base",
    "Outpost Larkrise",
    "Anchorage Sigma",
    "Fort Hestara",
    "Borealis Ring",
)
FRONTIER: tuple[str, ...] = (
    "Bitter Spring",
    "Calico Wells",
    "Dustin Fork",
    "Redemption Flats",
    "Salt Mercy",
    "Prosper Gulch",
    "Widow Creek",
    "Lonesome Bend",
    "Cinder Mesa",
    "Providence Crossing",
    "Coffin Springs",
    "Larkspur Station",
    "Tin Cup Ridge",
    "Sorrel Junction",
    "Old Hatchet",
    "Magpie Bluff",
    "Jericho Sands",
    "Three Kettles",
    "Copperhead Pass",
    "Sweet Alkali",
    "Gallant Draw",
    "Halfmoon Ford",
    "Nevermore Canyon",
    "Ezra's Landing",
    "Thunder Basin Post",
    "Pilgrim Rock",
    "Sagebrush Hollow",
    "Temperance Hill",
    "Broken Yoke",
    "Candelaria Wash",
)


class Studio(NamedTuple):
    """One invented studio: years of activity, size weight, quality offset (logit units), reach (log popularity)."""

    first_year: int
    last_year: int
    size: float
    quality: float
    reach: float
    genres: dict[str, float]
    tones: dict[str, float]


STUDIOS: dict[str, Studio] = {
    "Larkfield Pictures": Studio(
        1950,
        2026,
        1.5,
        0.10,
        0.70,
        {"Animation": 4.0, "Musical": 3.0, "Comedy": 1.8, "Adventure": 1.5, "Horror": 0.05, "Crime": 0.2, "War": 0.4},
        {"warm": 2.6, "playful": 2.6, "bleak": 0.2, "tense": 0.5},
    ),
    "Meridian Gate": Studio(
        1962,
        2026,
        1.5,
        -0.25,
        1.00,
        {"Action": 4.0, "Adventure": 2.4, "Science Fiction": 2.6, "Thriller": 1.4, "Documentary": 0.1, "Drama": 0.5},
        {"epic": 2.8, "tense": 2.0, "intimate": 0.3, "wry": 0.7},
    ),
    "Saltmarsh Film Collective": Studio(
        1974,
        2026,
        1.2,
        0.75,
        -0.60,
        {"Drama": 2.8, "Documentary": 4.0, "Romance": 1.7, "War": 1.0, "Action": 0.1, "Horror": 0.3, "Adventure": 0.4},
        {"intimate": 3.0, "bleak": 2.0, "dreamy": 1.4, "playful": 0.3, "epic": 0.4},
    ),
    "Northlamp": Studio(
        1985,
        2026,
        1.0,
        0.40,
        0.10,
        {"Crime": 4.0, "Mystery": 4.0, "Thriller": 2.6, "Drama": 1.2, "Musical": 0.1, "Animation": 0.2, "Comedy": 0.4},
        {"tense": 2.4, "bleak": 2.4, "wry": 1.3, "playful": 0.3, "warm": 0.4},
    ),
    "Copper Coyote": Studio(
        1950,
        1994,
        2.6,
        0.00,
        0.15,
        {"Western": 7.0, "War": 4.0, "Adventure": 1.5, "Action": 1.5, "Animation": 0.1, "Science Fiction": 0.5},
        {"epic": 2.4, "wry": 1.8, "bleak": 1.2, "dreamy": 0.4},
    ),
    "Velvet Hound": Studio(
        1968,
        2026,
        1.0,
        -0.55,
        0.05,
        {
            "Horror": 6.0,
            "Thriller": 2.0,
            "Crime": 1.5,
            "Science Fiction": 1.4,
            "Musical": 0.2,
            "Animation": 0.1,
            "Documentary": 0.2,
        },
        {"tense": 2.2, "dreamy": 1.8, "bleak": 1.5, "warm": 0.3},
    ),
    "Tin Whistle House": Studio(
        1955,
        2019,
        1.4,
        0.10,
        0.25,
        {"Comedy": 4.0, "Romance": 3.4, "Musical": 2.6, "Horror": 0.3, "Action": 0.3, "War": 0.5, "Thriller": 0.4},
        {"wry": 2.6, "playful": 1.9, "warm": 1.7, "epic": 0.3},
    ),
    "Orrery & Finch": Studio(
        2003,
        2026,
        1.9,
        0.15,
        0.45,
        {"Fantasy": 5.0, "Science Fiction": 2.6, "Animation": 2.2, "Mystery": 1.3, "Documentary": 1.4, "Western": 0.8},
        {"dreamy": 3.2, "epic": 1.4, "intimate": 1.4, "playful": 1.2},
    ),
}

# genre -> (base share, mean runtime in minutes, popularity offset in log units, tone weights in the order of TONES)
GENRES: dict[str, tuple[float, float, float, tuple[float, ...]]] = {
    "Drama": (2.0, 114, -0.25, (1.2, 1.6, 0.8, 0.4, 0.7, 0.0, 0.5, 1.8)),
    "Comedy": (1.8, 99, 0.15, (1.3, 0.0, 2.2, 0.0, 0.2, 2.0, 0.0, 0.3)),
    "Crime": (1.15, 109, 0.10, (0.0, 1.4, 1.3, 1.7, 0.2, 0.1, 0.1, 0.4)),
    "Thriller": (1.35, 107, 0.30, (0.0, 1.1, 0.3, 3.0, 0.4, 0.0, 0.2, 0.4)),
    "Mystery": (0.95, 105, 0.00, (0.3, 0.8, 1.2, 1.4, 1.0, 0.4, 0.0, 0.5)),
    "Horror": (1.15, 96, 0.05, (0.0, 1.5, 0.5, 2.2, 1.4, 0.1, 0.0, 0.4)),
    "Action": (1.1, 112, 0.55, (0.1, 0.4, 0.7, 2.0, 0.0, 0.5, 1.5, 0.0)),
    "Adventure": (1.0, 113, 0.45, (1.0, 0.1, 0.8, 0.6, 0.5, 1.0, 2.0, 0.2)),
    "Animation": (0.95, 88, 0.45, (1.6, 0.1, 0.3, 0.0, 1.3, 2.4, 0.4, 0.4)),
    "Fantasy": (0.95, 116, 0.30, (0.8, 0.5, 0.5, 0.4, 1.7, 0.6, 1.7, 0.4)),
    "Romance": (1.15, 104, -0.05, (1.5, 0.4, 1.1, 0.0, 1.1, 0.7, 0.3, 1.8)),
    "Musical": (0.85, 109, 0.05, (1.6, 0.2, 0.8, 0.0, 0.9, 1.8, 0.6, 0.4)),
    "Documentary": (0.95, 91, -0.90, (1.1, 0.9, 0.8, 0.2, 0.6, 0.2, 0.3, 1.6)),
    "Science Fiction": (1.1, 113, 0.40, (0.4, 0.9, 0.6, 1.2, 1.0, 0.3, 1.4, 0.7)),
    "War": (0.85, 121, 0.05, (0.3, 1.7, 0.5, 1.2, 0.1, 0.0, 1.7, 0.8)),
    "Western": (0.85, 105, -0.20, (0.4, 1.0, 1.2, 1.1, 0.3, 0.2, 1.6, 0.3)),
}

FAMOUS_TITLES: str = (
    "gravity;titanic;avatar;jaws;psycho;vertigo;alien;aliens;rocky;gladiator;inception;interstellar;"
    "casablanca;citizen kane;"
    "gone with the wind;the godfather;pulp fiction;fight club;the matrix;star wars;"
    "the empire strikes back;return of the jedi;"
    "jurassic park;the lion king;toy story;finding nemo;up;wall-e;ratatouille;the incredibles;shrek;frozen;moana;coco;"
    "spirited away;my neighbor totoro;princess mononoke;akira;seven samurai;rashomon;ikiru;tokyo story;parasite;oldboy;"
    "the shining;the exorcist;halloween;scream;the ring;get out;hereditary;midsommar;suspiria;"
    "nosferatu;dracula;frankenstein;"
    "king kong;godzilla;metropolis;blade runner;the terminator;predator;die hard;lethal weapon;speed;heat;ronin;drive;"
    "taxi driver;raging bull;goodfellas;casino;the departed;the irishman;scarface;chinatown;la confidential;fargo;"
    "the big lebowski;no country for old men;true grit;unforgiven;shane;high noon;rio bravo;the searchers;stagecoach;"
    "the wild bunch;once upon a time in the west;for a few dollars more;"
    "the good the bad and the ugly;dances with wolves;"
    "apocalypse now;platoon;full metal jacket;paths of glory;saving private ryan;dunkirk;1917;"
    "das boot;the great escape;"
    "the bridge on the river kwai;lawrence of arabia;doctor zhivago;ben-hur;spartacus;cleopatra;braveheart;troy;300;"
    "the lord of the rings;the hobbit;harry potter;the princess bride;the wizard of oz;mary poppins;the sound of music;"
    "singin in the rain;west side story;cabaret;chicago;moulin rouge;la la land;grease;hairspray;the red shoes;"
    "some like it hot;the apartment;annie hall;manhattan;when harry met sally;notting hill;love actually;pretty woman;"
    "sleepless in seattle;before sunrise;before sunset;brief encounter;roman holiday;breakfast at tiffanys;amelie;"
    "the grand budapest hotel;the royal tenenbaums;moonrise kingdom;rushmore;paper moon;the sting;"
    "butch cassidy;ocean's eleven;"
    "the italian job;the third man;the maltese falcon;the big sleep;double indemnity;sunset boulevard;rear window;"
    "north by northwest;the birds;rebecca;notorious;strangers on a train;the lady vanishes;memento;"
    "seven;zodiac;prisoners;"
    "gone girl;the silence of the lambs;the usual suspects;the sixth sense;signs;arrival;contact;"
    "solaris;stalker;dune;moon;"
    "her;ex machina;the martian;apollo 13;e.t.;back to the future;the goonies;hook;home alone;"
    "groundhog day;ghostbusters;"
    "airplane;the producers;young frankenstein;duck soup;modern times;city lights;the gold rush;"
    "the piano;moonlight;roma;"
    "nomadland;manchester by the sea;local hero;the last picture show;rain man;forrest gump;"
    "the green mile;schindler's list"
)
