//! Owns how a command that changes something tells what it has done: in a sentence, or as an object on a line.

use clap::Args;
use serde_json::Value;

use crate::failure::Failure;
use crate::output;

#[derive(Debug, Clone, Copy, Args)]
pub struct Results {
    /// Prints what was done as JSON, an object on each line
    #[arg(long)]
    json: bool,
}

impl Results {
    pub fn tell(self, sentence: &str, object: &Value) -> Result<(), Failure> {
        match self.json {
            true => output::line(object),
            false => output::line(sentence),
        }
    }
}

/// What a command tells of its steps while it takes them: what can't be told stops none of those to come.
pub struct StepResults {
    results: Results,
    /// Since nothing more could be told.
    unwritten: Option<Failure>,
}

impl StepResults {
    pub fn of(results: Results) -> StepResults {
        StepResults { results, unwritten: None }
    }

    pub fn tell(&mut self, sentence: &str, object: &Value) {
        if self.unwritten.is_none() {
            self.unwritten = self.results.tell(sentence, object).err();
        }
    }

    /// After the last step.
    pub fn end(self) -> Result<(), Failure> {
        self.unwritten.map_or(Ok(()), Err)
    }
}
