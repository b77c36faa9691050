//! Titles and attributes of products.

use super::product::*;

/// The columns of attributes, in the order that a table shows them. A product has some of them.
pub const ATTRIBUTES: [&str; 13] = [
    "colour",
    "second_colour",
    "pattern",
    "cut",
    "sleeve",
    "neck",
    "length",
    "fit",
    "closure",
    "pockets",
    "trim",
    "motif",
    "family",
];

impl Product {
    /// What a shop would call it: "navy and white striped long-sleeve t-shirt with round neck".
    pub fn title(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if let Some(fit) = self.fit.filter(|&fit| fit != Fit::Regular) {
            words.push(fit.name().into());
        }
        words.push(match self.second_colour() {
            Some(second) => format!("{} and {second}", self.colour.name),
            None => self.colour.name.into(),
        });
        if self.pattern != Pattern::Plain
            && !(self.pattern == Pattern::Denim && self.category == Category::Jeans)
        {
            words.push(self.pattern.name().into());
        }
        if let Some(length) = self.length.filter(|&length| length != Length::Regular) {
            words.push(length.name().into());
        }
        if let Some(sleeve) = self.sleeve {
            words.push(sleeve.name().into());
        }
        words.push(self.noun());
        let with = self.with();
        if !with.is_empty() {
            words.push("with".into());
            words.push(listed(&with));
        }
        words.join(" ")
    }

    /// The cut and the category: "wide-leg trousers", "backpack".
    fn noun(&self) -> String {
        let category = self.category.name();
        match (self.category, self.cut) {
            (_, Cut::Plain) => category.into(),
            (Category::Hat, Cut::Beanie | Cut::Cap | Cut::Fedora) => {
                format!("{} {category}", self.cut.name())
            }
            (Category::Bag, Cut::Backpack) => "backpack bag".into(),
            _ => format!("{} {category}", self.cut.name()),
        }
    }

    /// What stands behind "with", each with its own word.
    fn with(&self) -> Vec<&'static str> {
        let mut with = Vec::new();
        with.extend(self.neck.map(Neck::name));
        with.extend(self.closure.map(Closure::name));
        with.extend(self.pockets.map(Pockets::name));
        with.extend(self.trim.map(Trim::name));
        with.extend(self.motif.map(|motif| match motif.kind {
            MotifKind::Star => "star print",
            MotifKind::Heart => "heart print",
            MotifKind::Sun => "sun print",
            MotifKind::Mountain => "mountain print",
            MotifKind::Letters => "lettering print",
            MotifKind::Leaf => "leaf print",
            MotifKind::Wave => "wave print",
            MotifKind::Bolt => "lightning print",
            MotifKind::Diamond => "diamond print",
            MotifKind::Cat => "cat print",
            MotifKind::Flower => "flower print",
            MotifKind::Target => "target print",
        }));
        with
    }

    /// The second colour's name, where it is seen.
    pub fn second_colour(&self) -> Option<&'static str> {
        let seen = match self.pattern {
            Pattern::Plain | Pattern::Denim | Pattern::Knit => {
                self.trim == Some(Trim::Contrast) || self.trim == Some(Trim::Band)
            }
            _ => true,
        };
        seen.then_some(self.second.name)
    }

    /// The attributes that it has, by column.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let word = |word: Option<&'static str>| word.map(String::from);
        let cut = (self.cut != Cut::Plain).then(|| self.cut.name());
        let values = [
            Some(self.colour.name.to_string()),
            word(self.second_colour()),
            Some(self.pattern.name().to_string()),
            word(cut),
            word(self.sleeve.map(Sleeve::name)),
            word(self.neck.map(Neck::name)),
            word(self.length.map(Length::name)),
            word(self.fit.map(Fit::name)),
            word(self.closure.map(Closure::name)),
            word(self.pockets.map(Pockets::name)),
            word(self.trim.map(Trim::name)),
            word(self.motif.map(|motif| motif.kind.name())),
            None,
        ];
        let pairs = ATTRIBUTES.into_iter().zip(values);
        pairs.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// "a", "a and b", "a, b and c".
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_string(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}
