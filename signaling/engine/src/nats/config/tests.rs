use super::*;

fn parsed(url: &str) -> NatsConfig {
    NatsConfig::parse(url).unwrap()
}

fn refusal(url: &str) -> BadClusterUrl {
    NatsConfig::parse(url).unwrap_err()
}

#[test]
fn a_list_of_servers_is_read() {
    let config = parsed("nats://h1:4222,h2,[::1]:5000");
    assert_eq!(config.servers, ["nats://h1:4222", "nats://h2:4222", "nats://[::1]:5000"]);
    assert_eq!((config.credentials, config.tls, config.replicas), (Credentials::None, None, 3));
    assert_eq!(config.prefix, "chappe");
    assert_eq!(parsed("nats://a,nats://b/").servers, ["nats://a:4222", "nats://b:4222"]);
    assert_eq!(parsed("tls://a").tls, Some(NatsTls::default()));
}

#[test]
fn each_kind_of_credentials_is_read() {
    let user = |user: &str, password: &str| Credentials::UserPassword { user: user.into(), password: password.into() };
    assert_eq!(parsed("nats://u:p@h").credentials, user("u", "p"));
    assert_eq!(parsed("nats://u:p%40,:x@h1,h2").credentials, user("u", "p@,:x"));
    assert_eq!(parsed("nats://secret@h").credentials, Credentials::Token("secret".into()));
    assert_eq!(parsed("nats://h?token=a%26b").credentials, Credentials::Token("a&b".into()));
    assert_eq!(parsed("nats://h?creds=/etc/n.creds").credentials, Credentials::CredentialsFile("/etc/n.creds".into()));
    assert_eq!(parsed("nats://h?nkey=seed").credentials, Credentials::NkeySeedFile("seed".into()));
}

#[test]
fn each_option_is_read() {
    let config = parsed("nats://h?tls_ca=ca.pem&tls_cert=c.pem&tls_key=k.pem&replicas=5&prefix=eu_1");
    let tls = NatsTls { ca: Some("ca.pem".into()), certificate: Some(("c.pem".into(), "k.pem".into())) };
    assert_eq!((config.tls, config.replicas, config.prefix.as_str()), (Some(tls), 5, "eu_1"));
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    assert_eq!(refusal("h1:4222"), BadClusterUrl::Scheme);
    assert_eq!(refusal("http://h1"), BadClusterUrl::Scheme);
    assert_eq!(refusal("nats://"), BadClusterUrl::NoServer);
    assert_eq!(refusal("nats://u:p@"), BadClusterUrl::NoServer);
    for second in ["", "h:0", "h:99999", "h:x", "a b", "h/path", "[::1", "::1", "h:"] {
        assert_eq!(refusal(&format!("nats://h1,{second}")), BadClusterUrl::Server { number: 2 }, "{second}");
    }
    assert_eq!(refusal("nats://u:p@h1,nats://u:p@h2"), BadClusterUrl::UserTwice);
    for user in ["u:", ":p", "", "u:%zz"] {
        assert_eq!(refusal(&format!("nats://{user}@h")), BadClusterUrl::User, "{user}");
    }
    assert_eq!(refusal("nats://u:p@h?token=t"), BadClusterUrl::CredentialsTwice);
    assert_eq!(refusal("nats://h?creds=a&nkey=b"), BadClusterUrl::CredentialsTwice);
    assert_eq!(refusal("nats://h?tls_cert=c"), BadClusterUrl::HalfCertificate);
    assert_eq!(refusal("nats://h?replica=3"), BadClusterUrl::Option { name: "replica".into() });
    assert!(refusal("nats://h?replica=3").to_string().contains("there are creds, nkey, token"));
    for replicas in ["0", "6", "x", ""] {
        assert!(matches!(
            refusal(&format!("nats://h?replicas={replicas}")),
            BadClusterUrl::Value { name: "replicas", .. }
        ));
    }
    for prefix in ["a.b", "a b", "", &"x".repeat(65)] {
        assert!(matches!(refusal(&format!("nats://h?prefix={prefix}")), BadClusterUrl::Value { name: "prefix", .. }));
    }
    assert!(OPTIONS.iter().all(|option| OPTION_NAMES.contains(option)));
}

#[test]
fn no_secret_is_shown() {
    for url in ["nats://u:hunter2@h", "nats://hunter2@h", "nats://h?token=hunter2"] {
        assert!(!format!("{:?}", parsed(url)).contains("hunter2"), "{url}");
    }
    let bad = [
        "nats://u:hunter2@h?wrong=1",
        "nats://u:hunter2@h:x",
        "nats://u:%hunter2@h",
        "nats://u:a?hunter2@h",
        "nats://u:a?b&hunter2@h",
        "nats://u:hunter2@h?token=t",
    ];
    for url in bad {
        assert!(!refusal(url).to_string().contains("hunter2"), "{url}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}") {
        let _ = NatsConfig::parse(&text);
        let _ = NatsConfig::parse(&format!("nats://{text}"));
    }
}
