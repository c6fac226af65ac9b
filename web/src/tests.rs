use super::bundle::bundle;
use super::*;

#[test]
fn paths_outside_the_two_folders_are_not_found() {
    for path in ["src/lib.rs", "pages/../Cargo.toml", "client/../../Cargo.toml", "/etc/passwd", ""] {
        assert!(asset(path).is_none(), "{path}");
    }
}

#[test]
fn only_kinds_a_browser_needs_are_served() {
    assert_eq!(content_type("js"), Some("text/javascript; charset=utf-8"));
    assert_eq!(content_type("md"), None);
    assert_eq!(content_type(""), None);
    assert!(asset("client/README.md").is_none());
}

#[test]
#[cfg(not(debug_assertions))]
fn a_page_is_asked_for_again_and_what_it_names_is_kept() {
    for name in ["index", "publish", "watch", "room"] {
        let page = page(name).expect("the page is embedded");
        assert_eq!(page.cache_control, "no-cache");
        let html = String::from_utf8_lossy(&page.bytes).into_owned();
        let named: Vec<&str> =
            html.split("\"/assets/").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
        assert!(named.len() >= 3, "{name}: {named:?}");
        for path in named {
            let file = asset(path).unwrap_or_else(|| panic!("{name} names {path}, which is not there"));
            assert_eq!(file.cache_control, FOREVER, "{name}: {path}");
        }
    }
}

#[test]
#[cfg(not(debug_assertions))]
fn the_modules_of_the_client_library_stay_where_pages_of_others_import_them() {
    let room = asset("client/room.js").expect("it is there");
    assert_eq!(room.cache_control, "no-cache");
    assert!(String::from_utf8_lossy(&room.bytes).contains("export function joinRoom"));
}

fn bundled(modules: &[(&str, &str)]) -> Result<String, String> {
    let read = |path: &str| modules.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
    bundle("pages/a.js", &read)
}

#[test]
fn a_bundle_has_each_module_once_and_before_those_that_import_it() {
    let a = "import { b } from \"./b.js\";\nimport {\n  c as d,\n} from \"../client/c.js\";\nb(d);\n";
    let b = "// A comment.\nimport { c } from \"../client/c.js\";\nexport function b() { return c; }\n";
    let c = "/**\n * A comment.\n */\nexport const c = 1;\n";
    let out = bundled(&[("pages/a.js", a), ("pages/b.js", b), ("client/c.js", c)]).unwrap();
    assert_eq!(out.matches("const c = 1;").count(), 1);
    assert!(out.find("const c = 1;") < out.find("function b()"));
    assert!(out.contains("const {c: d,} = m0;"), "{out}");
    assert!(!out.contains("import") && !out.contains("export") && !out.contains("comment"), "{out}");
}

#[test]
fn what_can_not_be_bundled_is_refused_with_its_line() {
    let refused = [
        "import all from \"./b.js\";",
        "import * as all from \"./b.js\";",
        "import \"./b.js\";",
        "import { b } from \"https://elsewhere.example/b.js\";",
        "export default 1;",
        "export let counter = 0;",
        "export { b } from \"./b.js\";",
        "const b = await import(\"./b.js\");",
        "await ready();",
        "const text = `first",
        "import { a } from \"./a.js\";",
        "import { b } from \"./missing.js\";",
    ];
    for line in refused {
        let why = bundled(&[("pages/a.js", line), ("pages/b.js", "export const b = 1;")]).expect_err(line);
        assert!(why.starts_with("pages/"), "{line}: {why}");
    }
}
