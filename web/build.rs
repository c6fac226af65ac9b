//! Makes cargo notice files that are added to the embedded folders, not only files that change.

fn main() {
    println!("cargo:rerun-if-changed=pages");
    println!("cargo:rerun-if-changed=client");
}
