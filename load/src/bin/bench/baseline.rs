//! Owns what the benchmark read when its baseline was last moved, and says what has become worse since. Only figures
//! that a busy or slow machine moves on both sides are compared: ratios to the floor of the same run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// A ratio to the floor; less is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub name: String,
    pub ratio: f64,
}

/// Figures by name, as they are in the tree.
pub struct Baseline {
    figures: BTreeMap<String, f64>,
}

/// What one figure has become.
#[derive(Debug, PartialEq)]
pub struct Change {
    name: String,
    was: Option<f64>,
    is: f64,
}

impl Baseline {
    /// That of the tree this program was built from.
    pub fn committed() -> Result<Baseline> {
        Baseline::parse(include_str!("../../../baseline.json"))
    }

    fn parse(text: &str) -> Result<Baseline> {
        let value: Value = serde_json::from_str(text).context("the baseline is not JSON")?;
        let figures = value.get("figures").and_then(Value::as_object).context("the baseline has no figures")?;
        let number = |(name, value): (&String, &Value)| {
            let ratio = value.as_f64().with_context(|| format!("{name} of the baseline is not a number"))?;
            Ok((name.clone(), ratio))
        };
        Ok(Baseline { figures: figures.iter().map(number).collect::<Result<_>>()? })
    }

    /// In the order of `figures`.
    pub fn compare(&self, figures: &[Figure]) -> Vec<Change> {
        let change = |figure: &Figure| {
            let was = self.figures.get(&figure.name).copied();
            Change { name: figure.name.clone(), was, is: figure.ratio }
        };
        figures.iter().map(change).collect()
    }
}

/// Makes `figures` the baseline: the file at `path`, with those of other scenarios as they are.
pub fn write(path: &Path, figures: &[Figure]) -> Result<()> {
    let mut known: Map<String, Value> = match std::fs::read_to_string(path) {
        Ok(text) => Baseline::parse(&text)?.figures.into_iter().map(|(name, ratio)| (name, json!(ratio))).collect(),
        Err(_) => Map::new(),
    };
    for Figure { name, ratio } in figures {
        known.insert(name.clone(), json!((ratio * 100.0).round() / 100.0));
    }
    let text = serde_json::to_string_pretty(&json!({ "about": ABOUT, "figures": known }))?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

impl Change {
    pub fn is_worse(&self) -> bool {
        self.was.is_some_and(|was| self.is > was * WORSE)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { name, was, is } = self;
        let Some(was) = was else { return write!(f, "new     {is:6.2} x floor                     {name}") };
        let verdict = if self.is_worse() { "WORSE " } else { "held  " };
        let percent = 100.0 * (is / was - 1.0);
        write!(f, "{verdict}  {is:6.2} x floor, was {was:6.2} ({percent:+.0} %)  {name}")
    }
}

/// More than a tenth: less is what two runs of one program differ by.
const WORSE: f64 = 1.1;
const ABOUT: &str =
    "Ratios to the floor of the same run, less is better. Moved by `make bench-baseline`, with a reason.";

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, ratio: f64) -> Figure {
        Figure { name: name.to_owned(), ratio }
    }

    #[test]
    fn more_than_a_tenth_is_worse_and_what_is_new_is_not() {
        let baseline = Baseline::parse(r#"{"figures": {"a": 1.0, "b": 2.0, "gone": 3.0}}"#).unwrap();
        let changes = baseline.compare(&[figure("a", 1.11), figure("b", 2.19), figure("c", 9.0)]);
        assert_eq!(changes.iter().map(Change::is_worse).collect::<Vec<_>>(), [true, false, false]);
        assert!(changes[0].to_string().starts_with("WORSE "), "{}", changes[0]);
        assert!(changes[0].to_string().contains("(+11 %)  a"), "{}", changes[0]);
        assert!(changes[2].to_string().starts_with("new "), "{}", changes[2]);
    }

    #[test]
    fn the_committed_baseline_is_read() {
        assert!(!Baseline::committed().unwrap().figures.is_empty());
    }

    #[test]
    fn a_baseline_that_is_moved_keeps_what_was_not_measured() {
        let path = std::env::temp_dir().join(format!("chappe-baseline-{}.json", std::process::id()));
        write(&path, &[figure("a", 1.0), figure("b", 2.0)]).unwrap();
        write(&path, &[figure("b", 1.234)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let figures = Baseline::parse(&text).unwrap().figures;
        assert_eq!(figures.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 1.0), ("b".to_owned(), 1.23)]);
    }
}
