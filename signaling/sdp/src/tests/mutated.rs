//! Random damage to real offers: refused or answered by the rules, never a panic.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Damage {
    DropLine(usize),
    RepeatLine(usize),
    SwapLines(usize, usize),
    CutLine(usize, usize),
    ReplaceByte(usize, char),
    ReplaceNumber(usize, u64),
}

fn damage() -> impl Strategy<Value = Damage> {
    let line = 0..220_usize;
    prop_oneof![
        line.clone().prop_map(Damage::DropLine),
        line.clone().prop_map(Damage::RepeatLine),
        (line.clone(), line.clone()).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        (line.clone(), 0..60_usize).prop_map(|(a, b)| Damage::CutLine(a, b)),
        (0..12_000_usize, any::<char>()).prop_map(|(a, b)| Damage::ReplaceByte(a, b)),
        (line, any::<u64>()).prop_map(|(a, b)| Damage::ReplaceNumber(a, b)),
    ]
}

fn apply(text: &str, damage: &Damage) -> String {
    let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
    let count = lines.len();
    match *damage {
        Damage::DropLine(at) => drop(lines.remove(at % count)),
        Damage::RepeatLine(at) => lines.insert(at % count, lines[at % count].clone()),
        Damage::SwapLines(a, b) => lines.swap(a % count, b % count),
        Damage::CutLine(at, length) => {
            let line = &mut lines[at % count];
            *line = line.chars().take(length).collect();
        }
        Damage::ReplaceByte(at, by) => {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at % chars.len().max(1);
            if let Some(place) = chars.get_mut(at) {
                *place = by;
            }
            return chars.into_iter().collect();
        }
        Damage::ReplaceNumber(at, by) => {
            let line = &mut lines[at % count];
            let digits = |c: char| c.is_ascii_digit();
            if let Some(start) = line.find(digits) {
                let end = line[start..].find(|c| !digits(c)).map_or(line.len(), |n| start + n);
                line.replace_range(start..end, &by.to_string());
            }
        }
    }
    lines.join("\r\n")
}

fn answer_both_ways(text: &str) {
    let Ok(offer) = Offer::parse(text) else { return };
    if let Ok(answer) = answer_publish(&offer, &local(), None, &mut counter()) {
        let again = answer_publish(&offer, &local(), Some(&answer.note), &mut counter()).expect("the same offer again");
        assert_eq!(again.media, answer.media);
        parse(&answer.sdp);
    }
    let sources = sources(&published(&super::offer("chromium-whip")));
    let slots = slots(&offer, &sources);
    if let Ok(answer) = answer_watch(&offer, &local(), &slots, None, &mut ssrcs()) {
        let description = parse(&answer.sdp);
        assert_eq!(description.media_descriptions.len(), offer.sections.len());
        assert_eq!(attach(&answer.note, &slots), (answer.media, answer.states));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_offers_never_panic(which in 0..11_usize, damages in proptest::collection::vec(damage(), 1..8)) {
        let all: Vec<&str> = PUBLISHERS.iter().chain(&VIEWERS).map(|(_, text)| *text).collect();
        let text = damages.iter().fold(all[which].to_owned(), |text, damage| apply(&text, damage));
        answer_both_ways(&text);
        let _ = parse_fragment(&text);
    }

    #[test]
    fn any_text_never_panics(text in "(v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n)?([a-z]=[ -~]{0,40}(\r\n|\n|\r)){0,30}") {
        answer_both_ways(&text);
        let _ = parse_fragment(&text);
    }
}
