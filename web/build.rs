//! Makes of the pages what the binary sends: one script per page, names that change with the content, and each file
//! compressed. The folders stay as they are written; a debug build serves them from the disk.

#[path = "build/bundle.rs"]
mod bundle;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() -> Result<(), String> {
    // Folders, so that cargo notices files that are added too.
    for watched in ["build.rs", "build", "pages", "client"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    let mut files = Vec::new();
    for folder in ["pages", "client"] {
        collect(Path::new(folder), &mut files);
    }
    files.sort();
    let mut built = Built::default();
    // What a page names comes before the page.
    let mut renamed = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".svg")) {
        let name = file.trim_start_matches("pages/");
        renamed.push((file.clone(), built.add_hashed(name, &read(file)?.into_bytes())));
    }
    let sheet = read("pages/style.css")?;
    if sheet.split("url(\"").skip(1).any(|named| !named.starts_with("data:")) {
        return Err("pages/style.css: a file behind url(…) would be one more request; write it as data:".to_owned());
    }
    renamed.push(("pages/style.css".to_owned(), built.add_hashed("style.css", sheet.as_bytes())));
    for page in files.iter().filter(|file| file.ends_with(".html")) {
        let mut html = read(page)?;
        for entry in scripts(&html) {
            let script = bundle::bundle(&entry, &|path| fs::read_to_string(path).ok())
                .map_err(|why| format!("{page} can't be bundled: {why}"))?;
            let name = built.add_hashed(entry.trim_start_matches("pages/"), script.as_bytes());
            html = html.replace(&format!("/assets/{entry}\""), &format!("/assets/{name}\""));
        }
        for (file, name) in &renamed {
            html = html.replace(&format!("/assets/{file}\""), &format!("/assets/{name}\""));
        }
        built.add(page, html.as_bytes());
    }
    for file in files.iter().filter(|file| !file.ends_with(".html") && !file.ends_with(".md")) {
        built.add(file, read(file)?.as_bytes());
    }
    built.write();
    Ok(())
}

/// Files to embed, as the lines of a table.
#[derive(Default)]
struct Built {
    table: String,
    count: usize,
}

impl Built {
    /// Under a name that holds a digest of the content, and so may be kept for ever.
    fn add_hashed(&mut self, name: &str, content: &[u8]) -> String {
        let (stem, extension) = name.rsplit_once('.').expect("our files have an extension");
        let name = format!("built/{stem}-{}.{extension}", digest(content));
        self.add(&name, content);
        name
    }

    fn add(&mut self, path: &str, content: &[u8]) {
        let place = self.count;
        self.count += 1;
        for (extension, bytes) in [("raw", content.to_vec()), ("br", brotli(content)), ("gz", gzip(content))] {
            fs::write(out(&format!("{place}.{extension}")), bytes).expect("the folder of build products is ours");
        }
        let include = |extension| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{place}.{extension}\"))");
        let [raw, br, gz] = ["raw", "br", "gz"].map(include);
        let digest = digest(content);
        let line =
            format!("Embedded {{ path: {path:?}, digest: \"{digest}\", plain: {raw}, brotli: {br}, gzip: {gz} }},");
        let _ = writeln!(self.table, "{line}");
    }

    fn write(self) {
        let table = format!("static EMBEDDED: &[Embedded] = &[\n{}];\n", self.table);
        fs::write(out("embedded.rs"), table).expect("the folder of build products is ours");
    }
}

/// The modules that a page starts.
fn scripts(html: &str) -> Vec<String> {
    let after = html.split("<script type=\"module\" src=\"/assets/").skip(1);
    after.filter_map(|rest| rest.split_once('"')).map(|(path, _)| path.to_owned()).collect()
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn brotli(content: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut compressed, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
    writer.write_all(content).expect("memory takes it");
    drop(writer);
    compressed
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(content).expect("memory takes it");
    writer.finish().expect("memory takes it")
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder is part of the source") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("{path}: {why}; only text is embedded"))
}

fn out(name: &str) -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join(name)
}

/// 64 bits tell the few versions of a file apart.
const DIGEST_BYTES: usize = 8;
const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW: u32 = 22;
