//! What is written short in English, and what is said.

/// Where a word that is written short, with a full stop, is what it is said as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before a number.
    Number,
    /// Behind a number and a name: `5 Elm Dr.`
    House,
    /// Behind a name and before none: `down Wall St. and`
    Road,
    /// Before a name.
    Name,
    /// Before a number or a small word.
    Middle,
    /// Anywhere; no sentence ends with it before another.
    Within,
    /// Anywhere, often before a name.
    Anywhere,
    /// Anywhere, hardly ever before a name.
    Last,
}

/// What is written short, where, and what is said. Of the same word the first that fits holds.
pub(super) const SHORT: &[(&str, Place, &str)] = &[
    ("no", Place::Number, "number"),
    ("nos", Place::Number, "numbers"),
    ("fig", Place::Number, "figure"),
    ("vol", Place::Number, "volume"),
    ("ch", Place::Number, "chapter"),
    ("sec", Place::Number, "section"),
    ("eq", Place::Number, "equation"),
    ("op", Place::Number, "opus"),
    ("rev", Place::Number, "revision"),
    ("al", Place::Number, "al"),
    ("p", Place::Number, "page"),
    ("pp", Place::Number, "pages"),
    ("apt", Place::Number, "apartment"),
    ("rm", Place::Number, "room"),
    ("ste", Place::Number, "suite"),
    ("rte", Place::Number, "route"),
    ("hwy", Place::Number, "highway"),
    ("st", Place::House, "street"),
    ("dr", Place::House, "drive"),
    ("st", Place::Road, "street"),
    ("ft", Place::Name, "fort"),
    ("col", Place::Name, "colonel"),
    ("gen", Place::Name, "general"),
    ("gov", Place::Name, "governor"),
    ("hon", Place::Name, "honorable"),
    ("maj", Place::Name, "major"),
    ("rep", Place::Name, "representative"),
    ("rev", Place::Name, "reverend"),
    ("sen", Place::Name, "senator"),
    ("jan", Place::Middle, "January"),
    ("feb", Place::Middle, "February"),
    ("mar", Place::Middle, "March"),
    ("apr", Place::Middle, "April"),
    ("jun", Place::Middle, "June"),
    ("jul", Place::Middle, "July"),
    ("aug", Place::Middle, "August"),
    ("sep", Place::Middle, "September"),
    ("sept", Place::Middle, "September"),
    ("oct", Place::Middle, "October"),
    ("nov", Place::Middle, "November"),
    ("dec", Place::Middle, "December"),
    ("mon", Place::Within, "Monday"),
    ("tues", Place::Within, "Tuesday"),
    ("thurs", Place::Within, "Thursday"),
    ("fri", Place::Within, "Friday"),
    ("mr", Place::Within, "mister"),
    ("mrs", Place::Within, "missus"),
    ("ms", Place::Within, "miz"),
    ("messrs", Place::Within, "messieurs"),
    ("dr", Place::Within, "doctor"),
    ("prof", Place::Within, "professor"),
    ("st", Place::Within, "saint"),
    ("mt", Place::Within, "mount"),
    ("capt", Place::Within, "captain"),
    ("lt", Place::Within, "lieutenant"),
    ("sgt", Place::Within, "sergeant"),
    ("vs", Place::Within, "versus"),
    ("approx", Place::Within, "approximately"),
    ("ca", Place::Within, "circa"),
    ("e.g", Place::Within, "for example"),
    ("i.e", Place::Within, "that is"),
    ("a.m", Place::Last, "a m"),
    ("p.m", Place::Last, "p m"),
    ("jr", Place::Anywhere, "junior"),
    ("sr", Place::Anywhere, "senior"),
    ("bros", Place::Anywhere, "brothers"),
    ("co", Place::Anywhere, "company"),
    ("corp", Place::Anywhere, "corporation"),
    ("inc", Place::Anywhere, "incorporated"),
    ("ltd", Place::Anywhere, "limited"),
    ("etc", Place::Last, "et cetera"),
    ("dept", Place::Anywhere, "department"),
    ("ave", Place::Anywhere, "avenue"),
    ("blvd", Place::Anywhere, "boulevard"),
    ("rd", Place::Anywhere, "road"),
    ("ft", Place::Last, "feet"),
];
/// What is written short behind a number: of one, of many.
pub(super) const UNITS: &[(&str, &str, &str)] = &[
    ("ft", "foot", "feet"),
    ("in", "inch", "inches"),
    ("yd", "yard", "yards"),
    ("mi", "mile", "miles"),
    ("oz", "ounce", "ounces"),
    ("lb", "pound", "pounds"),
    ("lbs", "pound", "pounds"),
    ("hr", "hour", "hours"),
    ("hrs", "hour", "hours"),
    ("min", "minute", "minutes"),
    ("sec", "second", "seconds"),
];
/// Words that begin sentences and no names: a sentence ends with what is written short before them, and with an initial.
pub(super) const BEGINNINGS: &str = "a according after all also although an and another any anyone are as at because before between both but by ca can could despite did \
    do does during each even every everybody everyone few finally first for from had has have he her here his how however i if in instead is it its just later \
    let many maybe meanwhile more most my never nevertheless no nobody none not nothing now of oh on once one only or other our perhaps please several she should \
    since so some soon still such suddenly that the their then there these they this those though three through thus to today tomorrow tonight two under until very was we well were \
    what when where whether which while who whose why with without wo would yes yesterday yet you your";
/// What a time of day is followed by: it goes on.
pub(super) const AFTER_TIMES: &str = "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august \
    september october november december eastern central mountain pacific local et ct mt pt est edt cst cdt mst mdt pst pdt gmt utc bst cet";
