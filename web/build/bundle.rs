//! Owns making one script of a page's module and all modules that it imports. Never minifies, never reads the disk.
//!
//! It understands only what our modules use, and refuses the rest with the line that it refuses, so that no page is
//! quietly broken: imports of names from a relative path, and `export` before `function`, `class` or `const`.

use std::collections::HashMap;

/// One script: each module is a function that returns what it exports, in the order in which they are needed.
pub fn bundle(entry: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut bundler = Bundler { read, places: HashMap::new(), out: String::new() };
    bundler.add(entry)?;
    Ok(bundler.out)
}

struct Bundler<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    /// None while the modules that it imports are added.
    places: HashMap<String, Option<usize>>,
    out: String,
}

impl Bundler<'_> {
    fn add(&mut self, path: &str) -> Result<usize, String> {
        match self.places.get(path) {
            Some(Some(place)) => return Ok(*place),
            Some(None) => return Err(format!("{path}: imports itself through another module; break the circle")),
            None => {}
        }
        self.places.insert(path.to_owned(), None);
        let source = (self.read)(path).ok_or_else(|| format!("{path}: there is no such module"))?;
        let module = Module::parse(path, &source)?;
        let mut body = String::new();
        for Import { names, from } in &module.imports {
            let place = self.add(&resolve(path, from))?;
            body.push_str(&format!("const {{{}}} = m{place};\n", names.replace(" as ", ": ").trim()));
        }
        let place = self.places.values().flatten().count();
        self.places.insert(path.to_owned(), Some(place));
        let Module { code, exports, .. } = module;
        let exported = exports.join(", ");
        self.out.push_str(&format!("const m{place} = (() => {{\n{body}{code}return {{ {exported} }};\n}})();\n"));
        Ok(place)
    }
}

struct Import {
    names: String,
    from: String,
}

#[derive(Default)]
struct Module {
    imports: Vec<Import>,
    exports: Vec<String>,
    code: String,
}

impl Module {
    fn parse(path: &str, source: &str) -> Result<Module, String> {
        let mut module = Module::default();
        let mut lines = source.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let refuse = |why: &str| Err(format!("{path}:{}: {why}: {line}", number + 1));
            let text = line.trim();
            if text.is_empty() || text.starts_with("//") {
                continue;
            }
            if text.starts_with("/*") && (text.ends_with("*/") || !text.contains("*/")) {
                // A comment of whole lines. One that code follows stays.
                let mut last = text;
                while !last.ends_with("*/") {
                    let Some((_, next)) = lines.next() else { return refuse("this comment has no end") };
                    last = next.trim_end();
                }
                continue;
            }
            if text.matches('`').count() % 2 == 1 {
                return refuse("a template may not go over several lines");
            }
            if line.starts_with("import") {
                let mut statement = line.to_owned();
                while !statement.ends_with(';') {
                    let Some((_, next)) = lines.next() else { return refuse("this import has no semicolon") };
                    statement.push(' ');
                    statement.push_str(next.trim());
                }
                let Some(import) = Import::parse(&statement) else {
                    return refuse("only `import { names } from \"./path.js\";` can be bundled");
                };
                module.imports.push(import);
            } else if let Some(declaration) = line.strip_prefix("export ") {
                let Some(name) = declared(declaration) else {
                    return refuse("only `export` before function, class or const can be bundled");
                };
                module.exports.push(name);
                module.push(declaration);
            } else if code_contains(text, "import(") {
                return refuse("an import while running can't be bundled");
            } else if !line.starts_with(' ') && code_contains(text, "await ") && !text.contains("async") {
                return refuse("a module may not wait while it is loaded");
            } else {
                module.push(line);
            }
        }
        Ok(module)
    }

    fn push(&mut self, line: &str) {
        self.code.push_str(line);
        self.code.push('\n');
    }
}

impl Import {
    /// `import { a, b as c } from "./path.js";`
    fn parse(statement: &str) -> Option<Import> {
        let (names, from) = statement.strip_prefix("import {")?.split_once("} from \"")?;
        let from = from.strip_suffix("\";")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_$, ".contains(c);
        let relative = from.starts_with("./") || from.starts_with("../");
        (names.chars().all(plain) && relative).then(|| Import { names: names.to_owned(), from: from.to_owned() })
    }
}

/// The name that `function f(…`, `class C …` or `const c = …` declares.
fn declared(declaration: &str) -> Option<String> {
    let kinds = ["function* ", "async function ", "function ", "class ", "const "];
    let rest = kinds.iter().find_map(|kind| declaration.strip_prefix(kind))?;
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_$".contains(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// Outside of types in comments, which begin with a brace or stand behind one.
fn code_contains(line: &str, what: &str) -> bool {
    line.find(what).is_some_and(|at| !line.get(..at).unwrap_or_default().contains("/**"))
}

fn resolve(importer: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
