//! Owns how a command that changes something tells what it has done: in a sentence, or as an object on a line.

use clap::Args;
use serde_json::Value;

#[derive(Debug, Clone, Copy, Args)]
pub struct Results {
    /// Prints what was done as JSON, an object on each line
    #[arg(long)]
    json: bool,
}

impl Results {
    pub fn tell(self, sentence: &str, object: &Value) {
        if self.json {
            println!("{object}");
        } else {
            println!("{sentence}");
        }
    }
}
