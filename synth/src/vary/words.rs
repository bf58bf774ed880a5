//! Word lists of our own for people, companies and places, by locale. They hold common names only; no list names a real person.
//! Names are given as given name and family name in western order.

/// The names and places of one locale.
pub struct Locale {
    /// Stable name.
    pub name: &'static str,
    given: &'static str,
    family: &'static str,
    cities: &'static str,
    streets: &'static str,
    /// Where the street's number stands.
    pub number_first: bool,
    /// Country code of telephone numbers.
    pub calling_code: &'static str,
}

impl Locale {
    /// Given names.
    pub fn given(&self) -> Vec<&'static str> {
        self.given.split_whitespace().collect()
    }

    /// Family names.
    pub fn family(&self) -> Vec<&'static str> {
        self.family.split_whitespace().collect()
    }

    /// Cities.
    pub fn cities(&self) -> Vec<&'static str> {
        self.cities.split(',').map(str::trim).collect()
    }

    /// Streets, without number.
    pub fn streets(&self) -> Vec<&'static str> {
        self.streets.split(',').map(str::trim).collect()
    }
}

/// All locales.
pub const LOCALES: [Locale; 12] = [
    Locale {
        name: "english",
        given: "Alice Amber Arthur Beth Callum Charlotte Clara Daniel Edith Edward Emily Fiona George Grace Hannah Harriet Harvey Isla \
                Jack Joseph Laura Martin Megan Nigel Oliver Penelope Phoebe Ralph Rosie Rupert Sarah Simon Stella Toby Violet Walter",
        family: "Abbott Ashworth Barker Bradley Carter Chapman Cooper Dawson Ellis Fletcher Gibson Harper Holloway Hughes Knight \
                 Lawson Marsh Mercer Nash Osborne Palmer Pearce Quinn Reid Sharpe Sutton Thornton Turner Walsh Webster Whitaker Yates",
        cities: "Ashford, Bristol, Carlisle, Dover, Exeter, Harrogate, Lincoln, Norwich, Oxford, Preston, Ripon, York",
        streets: "Mill Lane, High Street, Station Road, Church Row, Orchard Way, Bridge Street, Castle Hill, Park Avenue, \
                  Elm Grove, Harbour Road, Victoria Terrace, Meadow Close",
        number_first: true,
        calling_code: "44",
    },
    Locale {
        name: "german",
        given: "Anja Annika Bastian Birgit Clemens Dieter Elke Emil Felix Franziska Gregor Greta Hannes Heike Ingrid Jannik Jonas \
                Katrin Konrad Lena Lukas Matthias Mareike Moritz Nele Philipp Renate Sabine Stefan Svenja Tobias Ulrike Uwe Wiebke",
        family: "Albrecht Bauer Becker Brandt Dietrich Ebert Fischer Fuchs Graf Hartmann Hoffmann Huber Jansen Kaiser Keller Koch \
                 Lehmann Lorenz Meier Neumann Otto Pohl Richter Sauer Schubert Seidel Vogel Wagner Winkler Wolf Ziegler",
        cities: "Augsburg, Bremen, Erfurt, Freiburg, Jena, Kassel, Konstanz, Leipzig, Mainz, Potsdam, Ulm, Weimar",
        streets: "Lindenallee, Bahnhofstrasse, Marktplatz, Gartenweg, Rosenstrasse, Am Hafen, Bergweg, Schulgasse, Kirchplatz, \
                  Birkenweg, Uferstrasse, Mozartstrasse",
        number_first: false,
        calling_code: "49",
    },
    Locale {
        name: "spanish",
        given: "Adriana Alba Alejandro Alvaro Beatriz Carlos Carmen Cristina Diego Elena Emilio Esteban Fernando Gonzalo Ignacio \
                Irene Javier Julia Lorena Lucia Manuel Marina Mateo Nuria Pablo Paloma Raquel Ricardo Rocio Santiago Sergio Teresa",
        family: "Aguilar Alonso Blanco Cabrera Calvo Campos Castillo Cruz Delgado Dominguez Flores Fuentes Gallego Herrera Iglesias \
                 Lozano Marin Medina Molina Navarro Ortega Pascual Prieto Ramos Reyes Rubio Serrano Soto Torres Vargas Vidal",
        cities: "Cadiz, Cordoba, Cuenca, Gijon, Granada, Leon, Malaga, Oviedo, Salamanca, Segovia, Toledo, Zaragoza",
        streets: "Calle Mayor, Calle del Sol, Avenida del Puerto, Plaza Nueva, Calle de la Luna, Paseo del Rio, Calle Real, \
                  Avenida de la Paz, Calle San Miguel, Ronda Norte, Calle del Olmo, Plaza del Carmen",
        number_first: false,
        calling_code: "34",
    },
    Locale {
        name: "french",
        given: "Adele Antoine Armand Benoit Camille Cecile Claire Damien Delphine Elodie Etienne Fabien Florence Gaston Helene Hugo \
                Jeanne Julien Lucie Manon Marcel Margot Mathieu Nadine Noemie Olivier Pascal Pauline Quentin Remy Sylvie Thibault",
        family: "Aubert Barbier Baron Berger Blanchard Boucher Carpentier Charpentier Colin Dubois Dumont Durand Fabre Fontaine \
                 Gauthier Girard Henry Lambert Leclerc Lefevre Marchand Masson Mercier Moreau Noel Perrin Renard Rousseau Tessier Vidal",
        cities: "Amiens, Angers, Annecy, Avignon, Besancon, Colmar, Dijon, Grenoble, Limoges, Nantes, Rennes, Tours",
        streets: "Rue des Lilas, Rue de la Gare, Avenue Foch, Rue du Moulin, Place du Marche, Rue Pasteur, Quai des Brumes, \
                  Rue des Ecoles, Boulevard Carnot, Rue du Pont, Allee des Tilleuls, Rue Victor Hugo",
        number_first: true,
        calling_code: "33",
    },
    Locale {
        name: "italian",
        given: "Alessia Alessandro Arianna Bruno Chiara Cosimo Dario Davide Elisa Enrico Fabio Federica Flavia Gianluca Giulia Ilaria \
                Lorenzo Luca Marco Martina Matteo Michela Nicola Paola Pietro Riccardo Rosa Serena Silvia Tommaso Valeria Vittorio",
        family: "Barbieri Bellini Bianchi Bruno Caruso Colombo Conti Costa Esposito Fabbri Ferrara Fontana Galli Gatti Greco Leone \
                 Lombardi Longo Mancini Marini Moretti Orlando Parisi Pellegrini Ricci Rinaldi Rizzo Romano Santoro Villa Vitale",
        cities: "Arezzo, Bari, Bergamo, Cremona, Ferrara, Lecce, Lucca, Mantova, Modena, Parma, Perugia, Verona",
        streets: "Via Roma, Via Garibaldi, Corso Italia, Via dei Mille, Piazza Dante, Via Mazzini, Viale Europa, Via del Mare, \
                  Via San Marco, Largo Augusto, Via delle Rose, Via Verdi",
        number_first: false,
        calling_code: "39",
    },
    Locale {
        name: "nordic",
        given: "Anders Astrid Axel Bjorn Britta Ebba Einar Elin Erik Freja Gunnar Hedda Henrik Ida Inga Ivar Johan Karin Kirsten Lars \
                Linnea Magnus Maja Mikkel Nils Olav Petra Ragnar Signe Sigrid Sven Thea Tove Ulrik Vilma",
        family: "Aalto Andersen Bakke Berg Bergstrom Dahl Ekman Eriksen Falk Haugen Hedlund Holm Jokinen Karlsson Korhonen Lind Lund \
                 Lundgren Moen Nilsen Nyberg Olsen Petersen Rask Sandberg Solberg Strand Sundin Thomsen Virtanen Westberg Wiik",
        cities: "Aalborg, Aarhus, Bergen, Espoo, Gavle, Lund, Malmo, Odense, Stavanger, Tampere, Turku, Uppsala",
        streets: "Storgata, Kirkegade, Havnegata, Skolgatan, Parkvagen, Kungsgatan, Ostergade, Fjordveien, Bjorkvagen, \
                  Strandgatan, Algade, Nygatan",
        number_first: false,
        calling_code: "46",
    },
    Locale {
        name: "polish",
        given: "Agata Aleksander Alicja Bartosz Beata Bogdan Dorota Elzbieta Filip Grzegorz Hanna Henryk Iwona Jacek Jadwiga Jakub \
                Kamila Karol Kinga Lech Magda Marek Marta Mikolaj Natalia Oskar Patryk Renata Szymon Tomasz Urszula Weronika Zofia",
        family: "Adamski Baran Borowski Bielak Czarnecki Duda Dudek Gajda Gorski Jaworski Kaczmarek Kania Kowal Krol Kubiak Lis \
                 Majewski Malik Mazur Nowak Olszewski Pawlak Piatek Rybak Sadowski Sikora Sobczak Szulc Urban Walczak Wrona Zawada",
        cities: "Bydgoszcz, Chorzow, Gdynia, Kielce, Krosno, Lublin, Olsztyn, Opole, Poznan, Sopot, Tarnow, Torun",
        streets: "ulica Lipowa, ulica Ogrodowa, ulica Szkolna, ulica Polna, ulica Zielona, aleja Wolna, ulica Krotka, \
                  ulica Nadrzeczna, plac Solny, ulica Mostowa, ulica Kwiatowa, ulica Jasna",
        number_first: false,
        calling_code: "48",
    },
    Locale {
        name: "indian",
        given: "Aarav Aditi Ajay Amrita Anil Anjali Arjun Asha Deepak Devika Gaurav Geeta Harish Indira Ishaan Kavita Kiran Lakshmi \
                Manoj Meera Mohan Neha Nikhil Padma Pooja Priya Rahul Rajesh Ravi Rohini Sandeep Shreya Sunita Tara Varun Vikram",
        family: "Agarwal Bhatt Bose Chandra Chopra Das Desai Deshpande Dutta Gandhi Ghosh Gupta Iyer Jain Joshi Kapoor Khanna Kulkarni \
                 Malhotra Mehta Menon Mishra Nair Patel Pillai Rao Reddy Saxena Sen Shah Sharma Sinha Verma",
        cities: "Bhopal, Jaipur, Kochi, Lucknow, Madurai, Mysore, Nagpur, Nashik, Pune, Ranchi, Surat, Udaipur",
        streets: "Gandhi Road, Lake View Road, Temple Street, Nehru Marg, Station Road, Garden Lane, Market Road, Hill Road, \
                  Residency Road, Canal Street, Rose Garden Road, College Road",
        number_first: true,
        calling_code: "91",
    },
    Locale {
        name: "japanese",
        given: "Aiko Akira Ayumi Daichi Emi Goro Haruka Haruto Hiroshi Isamu Kaito Kaori Kazuo Kenji Mai Makoto Mariko Masato Michiko \
                Naoki Nozomi Reiko Ren Riku Sakura Satoshi Shinji Takumi Tomoko Yoko Yuki Yusuke",
        family: "Abe Aoki Endo Fujita Fukuda Goto Hara Hasegawa Hayashi Ikeda Inoue Ishida Kato Kimura Kobayashi Kondo Maeda Matsuda \
                 Mori Murata Nakamura Nishida Ogawa Okada Ono Saito Sakai Shimizu Takeda Ueda Wada Yamada Yoshida",
        cities: "Akita, Fukui, Gifu, Hakodate, Himeji, Kanazawa, Kochi, Matsue, Nagano, Nara, Otaru, Sendai",
        streets: "Sakura-dori, Hon-machi, Midori-cho, Ekimae-dori, Minato-machi, Asahi-cho, Yamate-dori, Kawabata-dori, \
                  Nishi-machi, Aoba-cho, Teramachi, Shin-machi",
        number_first: false,
        calling_code: "81",
    },
    Locale {
        name: "nigerian",
        given: "Abeni Adaeze Adewale Amaka Ayo Bola Chidi Chika Chinwe Dayo Ebele Efosa Emeka Femi Folake Ifeoma Ikenna Kelechi Kemi \
                Kunle Ngozi Nkechi Obinna Oluchi Sade Segun Simi Tayo Temitope Tunde Uche Yemi Zainab",
        family: "Abiola Achebe Adebayo Adeyemi Afolabi Akande Akpan Balogun Bankole Bello Danjuma Effiong Eze Fashola Ibrahim Ige Lawal \
                 Mbeki Musa Njoku Nwosu Obi Ogun Okafor Okoro Olaniyan Onyeka Oyelaran Sani Uzoma Yusuf",
        cities: "Abeokuta, Akure, Asaba, Benin City, Calabar, Enugu, Ibadan, Ilorin, Jos, Kaduna, Owerri, Uyo",
        streets: "Unity Road, Palm Avenue, Market Road, Airport Road, Independence Way, Ring Road, Marina Street, Creek Road, \
                  Awolowo Street, New Layout, Hospital Road, Freedom Close",
        number_first: true,
        calling_code: "234",
    },
    Locale {
        name: "brazilian",
        given: "Aline Amanda Andre Bianca Breno Caio Camila Cassia Debora Douglas Eduardo Fabiana Felipe Gabriela Gilberto Helena \
                Igor Isadora Joana Larissa Leandro Leticia Luana Marcelo Mariana Murilo Otavio Patricia Rafael Renato Tatiana Vinicius",
        family: "Almeida Alves Amaral Andrade Araujo Azevedo Barbosa Barros Batista Borges Braga Cardoso Carvalho Castro Correia Dias \
                 Duarte Farias Freitas Gomes Leite Lima Machado Melo Monteiro Moraes Nogueira Pinto Ribeiro Rocha Teixeira Viana",
        cities: "Belem, Campinas, Curitiba, Florianopolis, Goiania, Londrina, Maceio, Manaus, Natal, Olinda, Recife, Santos",
        streets: "Rua das Flores, Rua do Porto, Avenida Central, Rua da Praia, Rua Sete, Travessa do Carmo, Rua Boa Vista, \
                  Avenida Beira Mar, Rua do Sol, Alameda Santos, Rua das Palmeiras, Rua Nova",
        number_first: false,
        calling_code: "55",
    },
    Locale {
        name: "levantine",
        given: "Adnan Amal Amira Bassam Dalia Fadi Farah Ghada Hadi Hala Hassan Huda Iman Jamal Karim Laila Lina Mahmoud Maya Nabil \
                Nadia Noor Omar Rana Rami Salma Samir Sami Tarek Walid Yara Yasmin Ziad",
        family: "Abboud Asfour Awad Barakat Bitar Daher Fakhoury Farhat Ghanem Habib Haddad Hakim Issa Jaber Kanaan Karam Khalil Khoury \
                 Maalouf Mansour Masri Nassar Obeid Qasim Rahal Saba Sabbagh Salameh Shaheen Tannous Zahra Zein",
        cities: "Acre, Amman, Aqaba, Batroun, Byblos, Irbid, Jerash, Madaba, Nablus, Saida, Tyre, Zahle",
        streets: "Cedar Street, Jasmine Street, Harbor Street, Olive Road, Citadel Street, Rainbow Street, Souk Street, \
                  Palm Street, Garden Street, Pine Hill, Sea Road, Clock Square",
        number_first: true,
        calling_code: "962",
    },
];

/// First words of company names.
pub const COMPANY_FIRST: &str = "Alder Amber Anchor Apex Argon Beacon Birch Bluebell Bramble Canyon Cedar Cobalt Compass Copper Coral \
    Crescent Delta Ember Falcon Fern Granite Harbor Hazel Heron Horizon Indigo Ivory Juniper Kestrel Lantern Larch Linden Lumen Maple \
    Meridian Nimbus North Opal Orbit Osprey Pebble Pioneer Quarry Raven Ridge Saffron Sage Silver Slate Summit Sycamore Tidal Umber \
    Vector Verdant Willow Zephyr";

/// Second words of company names.
pub const COMPANY_SECOND: &str = "Bakery Catering Chemicals Consulting Dairy Design Electric Engineering Fabrics Farms Foods Freight \
    Furniture Glass Instruments Interiors Labs Logistics Lumber Machines Media Metals Motors Optics Packaging Paper Partners Pharma \
    Plumbing Printing Robotics Shipping Software Solar Studios Supply Systems Textiles Tools Trading Travel Ventures Works";

/// A name in the letters of an e-mail address.
pub fn ascii(text: &str) -> String {
    text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_long_enough_and_without_doubles() {
        for locale in &LOCALES {
            for (what, list, least) in [
                ("given", locale.given(), 28),
                ("family", locale.family(), 28),
                ("cities", locale.cities(), 10),
                ("streets", locale.streets(), 10),
            ] {
                assert!(list.len() >= least, "{} {what} has {}", locale.name, list.len());
                let mut sorted = list.clone();
                sorted.sort_unstable();
                sorted.dedup();
                assert_eq!(sorted.len(), list.len(), "{} {what} has doubles", locale.name);
            }
        }
    }

    #[test]
    fn address_letters() {
        assert_eq!(ascii("Ann O'Neil"), "ann.o.neil");
    }
}
