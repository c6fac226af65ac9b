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
        assert_eq!(refusal(text), BadStoreName::EmptySegment, "{text:?}");
    }
    for found in ['*', '>', ' ', '=', '\n', '\0', 'é', '$'] {
        assert_eq!(refusal(&format!("a/{found}")), BadStoreName::Character { found });
    }
    assert_eq!(refusal(&"a".repeat(KEY_LENGTH_MAX + 1)), BadStoreName::TooLong { length: KEY_LENGTH_MAX + 1 });
    assert!(Key::parse(&"a".repeat(KEY_LENGTH_MAX)).is_ok());
    assert_eq!(refusal(&["a"; 17].join("/")), BadStoreName::TooDeep { segments: 17 });
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
    assert_eq!(NodeName::parse("a/b"), Err(BadStoreName::Character { found: '/' }));
    assert_eq!(NodeName::parse(""), Err(BadStoreName::EmptySegment));
}

proptest::proptest! {
    #[test]
    fn the_tokens_of_a_key_are_its_own_and_valid_on_nats(a in "[A-Za-z0-9._/-]{1,12}", b in "[A-Za-z0-9._/-]{1,12}") {
        let (Ok(a), Ok(b)) = (Key::parse(&a), Key::parse(&b)) else { return Ok(()) };
        let tokens = a.to_tokens();
        proptest::prop_assert_eq!(a == b, tokens == b.to_tokens());
        proptest::prop_assert_eq!(Key::from_tokens(&tokens), Ok(a));
        // What the server's own rules ask of a key.
        proptest::prop_assert!(tokens.chars().all(|c| c.is_ascii_alphanumeric() || "-/_=.".contains(c)));
        proptest::prop_assert!(tokens.split('.').all(|token| !token.is_empty()));
    }

    #[test]
    fn tokens_that_no_key_has_are_refused(tokens in "[A-Za-z0-9._/=*> -]{1,12}") {
        if let Ok(key) = Key::from_tokens(&tokens) {
            proptest::prop_assert_eq!(key.to_tokens(), tokens);
        }
    }
}
