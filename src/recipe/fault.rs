//! One thing that is wrong with a recipe, and all of them together.

use std::fmt;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use super::tree::{Place, SourceFile};

/// One thing that is wrong: what, where, and the remedy.
#[derive(Clone)]
pub struct Fault {
    message: String,
    place: Option<(Place, String)>,
    help: Option<String>,
}

impl Fault {
    /// A fault that is nowhere in particular.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            help: None,
        }
    }

    /// Points at a place, with a few words beside it.
    pub fn at(mut self, place: &Place, label: impl Into<String>) -> Self {
        let mut place = place.clone();
        // Something that ends too soon is shown at its last character: past it there is no line to show.
        let text = place.source.text.trim_end();
        if place.span.start >= text.len() {
            let start = text.char_indices().next_back().map_or(0, |(start, _)| start);
            place.span = start..text.len();
        }
        self.place = Some((place, label.into()));
        self
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref().map(|(place, _)| place)
    }

    /// The remedy.
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Fault {}

impl Diagnostic for Fault {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place().map(|place| &*place.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (place, label) = self.place.as_ref()?;
        let span = LabeledSpan::new(Some(label.clone()), place.span.start, place.span.len());
        Some(Box::new(std::iter::once(span)))
    }
}

impl SourceCode for SourceFile {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

/// Everything that is wrong with a recipe.
#[derive(Debug)]
pub struct RecipeErrors {
    subject: String,
    faults: Vec<Fault>,
    hidden: usize,
}

/// The most faults that are shown at once.
const SHOWN: usize = 50;

impl RecipeErrors {
    /// `subject` names the recipe; faults are shown in the order given.
    pub fn new(subject: impl Into<String>, mut faults: Vec<Fault>) -> Self {
        let hidden = faults.len().saturating_sub(SHOWN);
        faults.truncate(SHOWN);
        Self {
            subject: subject.into(),
            faults,
            hidden,
        }
    }

    /// The faults, at most 50 of them.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for RecipeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len() + self.hidden;
        let things = if count == 1 {
            "1 error".to_owned()
        } else {
            format!("{count} errors")
        };
        write!(f, "the recipe {} has {things}", self.subject)?;
        if self.hidden > 0 {
            write!(f, ", of which the first {SHOWN} follow")?;
        }
        Ok(())
    }
}

impl std::error::Error for RecipeErrors {}

impl Diagnostic for RecipeErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.faults.iter().map(|fault| fault as &dyn Diagnostic)))
    }
}

/// What a terminal without colours and 100 columns wide shows of an error.
#[cfg(test)]
pub(crate) fn rendered(error: &dyn Diagnostic) -> String {
    let theme = miette::GraphicalTheme::unicode_nocolor();
    let mut text = String::new();
    miette::GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_links(false)
        .render_report(&mut text, error)
        .unwrap();
    // Trailing blanks are nothing that a test should pin.
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
