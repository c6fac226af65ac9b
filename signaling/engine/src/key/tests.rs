use super::*;

#[test]
fn a_name_of_segments_is_taken_as_it_is() {
    for text in ["a", "streams/room/name", "nodes/eu-1.example.org", "A_b-c.9/..", "."] {
        assert_eq!(Key::parse(text).unwrap().as_str(), text);
        assert_eq!(Subject::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn what_has_no_form_on_nats_is_refused_with_a_reason() {
    let refusal = |text: &str| Key::parse(text).unwrap_err();
    for text in ["", "/", "a/", "/a", "a//b"] {
        assert_eq!(refusal(text), BadKey::EmptySegment, "{text:?}");
    }
    for found in ['*', '>', ' ', '=', '\n', '\0', 'é', '$'] {
        assert_eq!(refusal(&format!("a/{found}")), BadKey::Character { found });
    }
    assert_eq!(refusal(&"a".repeat(KEY_LENGTH_MAX + 1)), BadKey::TooLong { length: KEY_LENGTH_MAX + 1 });
    assert!(Key::parse(&"a".repeat(KEY_LENGTH_MAX)).is_ok());
    assert_eq!(refusal(&["a"; 17].join("/")), BadKey::TooDeep { segments: 17 });
    assert!(Key::parse(&["a"; 16].join("/")).is_ok());
}

#[test]
fn a_prefix_is_whole_segments() {
    let below = |key: &str, prefix: &str| Key::parse(key).unwrap().is_below(&Prefix::parse(prefix).unwrap());
    assert!(below("streams/a", "streams"));
    assert!(below("streams/a/b", "streams/"));
    assert!(below("streams/a/b", "streams/a"));
    assert!(below("anything", ""));
    assert!(!below("streams", "streams"));
    assert!(!below("streams2/a", "streams"));
    assert!(!below("streams/ab", "streams/a"));
}

#[test]
fn a_node_is_named_by_one_segment() {
    assert!(NodeName::parse("eu-1.example.org").is_ok());
    assert_eq!(NodeName::parse("a/b"), Err(BadKey::Character { found: '/' }));
    assert_eq!(NodeName::parse(""), Err(BadKey::EmptySegment));
}
