//! What somebody types who does not know the commands yet: arguments that are wrong, missing, of other commands, or far
//! too long. Each mistake is one line with the way out, and an exit code that scripts can tell apart.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;

use crate::operates::run;
use crate::running::Dir;

/// What is typed, with `DIR` for a folder, and a part of what is answered.
type Mistake = (&'static str, &'static str);

const OF_COMMANDS: &[Mistake] = &[
    ("lss", "did you mean `ls`? (chappe --help)"),
    ("zzzzzzzz", "there are up, signaling, sfu, ls"),
    ("LONG", "there is no command"),
    ("ls x", "unexpected argument 'x' found (chappe ls --help)"),
    ("ls --jsn", "did you mean '--json'?"),
    ("rooms x", "chappe rooms --help"),
    ("streams x", "chappe streams --help"),
    ("doctor x", "chappe doctor --help"),
    ("config x", "chappe config --help"),
    ("completions", "<SHELL>"),
    ("completions tcsh", "there are bash, elvish, fish, powershell, zsh; did you mean 'zsh'?"),
    ("top", "wants a terminal: `chappe ls`"),
    ("top --interval x", "500ms, 90s, 10m or 2h"),
    ("top --interval 1ms", "wants 100ms or more"),
    ("session", "<ID>"),
    ("session --list x", "cannot be used with"),
    ("session ../nodes", "`chappe session --list`"),
    ("session LONG", "`chappe session --list`"),
    ("kick", "<ID>"),
    ("kick a/b", "`chappe session --list`"),
    ("kick LONG", "`chappe session --list`"),
    ("mute", "<ID>"),
    ("mute a/b", "`chappe session --list`"),
    ("mute 0123 --audio --video", "cannot be used with"),
    ("logs --worker x", "a number such as 0, or signaling, or supervisor"),
    ("logs -n x", "wants a number from 0 to"),
    ("logs --since 5", "500ms, 90s, 10m or 2h"),
    ("logs --node a/b", "wants 1 to 64 of"),
    ("scale", "<N> (chappe scale --help)"),
    ("scale x", "wants a number from 1 to 256 (chappe scale --help)"),
    ("scale 0", "wants a number from 1 to 256"),
    ("scale -1", "wants a number from 1 to 256"),
    ("scale LONG", "wants a number from 1 to 256"),
    ("scale 2 --node LONG", "wants 1 to 64 of"),
    ("scale 2 3", "unexpected argument '3'"),
    ("reload x", "unexpected argument 'x'"),
    ("reload --all --node a", "cannot be used with"),
    ("reload --binary DIR/nothing", "--binary DIR/nothing: No such file"),
    ("reload --binary DIR/text", "name the program itself"),
    ("drain --deadline 5", "500ms, 90s, 10m or 2h"),
    ("drain --deadline -5s", "unexpected argument '-5' found (chappe drain --help)"),
    ("drain --cancel --no-wait", "cannot be used with"),
    ("drain a/b", "wants 1 to 64 of"),
    ("drain a b", "unexpected argument 'b'"),
    ("restart", "--worker <W>"),
    ("restart --worker x", "wants a number such as 0, or NODE/0"),
    ("restart --worker /1", "wants a number such as 0, or NODE/0"),
    ("restart --worker 70000", "wants a number such as 0, or NODE/0"),
];

const OF_WHOM_IS_ASKED: &[Mistake] = &[
    ("ls --admin ops", "wants a URL such as http://127.0.0.1:8081"),
    ("ls --admin LONG", "wants a URL such as http://127.0.0.1:8081"),
    ("ls --admin ::1:8081", "wants a URL such as http://127.0.0.1:8081"),
    ("ls --admin http://a:1/api", "wants a URL such as http://127.0.0.1:8081"),
    ("ls --admin https://ops:1 --admin-ca DIR/nothing", "--admin-ca DIR/nothing can't be read"),
    ("ls --admin https://ops:1 --admin-ca DIR/text", "has no certificate in PEM form"),
    ("ls --admin 127.0.0.1:9 --token é", "--token is no token: `chappe token"),
    ("ls --admin 127.0.0.1:9 --token LONGLONG", "--token is no token: `chappe token"),
];

const OF_KEYS_AND_TOKENS: &[Mistake] = &[
    ("keys", "there are add, list, revoke"),
    ("keys x", "chappe keys --help"),
    ("keys list --keys DIR/nothing", "`chappe keys add --keys DIR/nothing` makes it"),
    ("keys list --keys DIR", "name a file that `chappe keys add --keys FILE` has made"),
    ("keys list --keys DIR/large", "it has more than 1024 kB"),
    ("keys list --keys DIR/text", "line 1: a key is written as `id: secret`"),
    ("keys add --keys DIR/text", "line 1: a key is written as `id: secret`"),
    ("keys add --keys DIR/no/keys", "make its folder first"),
    ("keys add --keys DIR/text/keys", "make its folder first"),
    ("keys revoke", "<ID>"),
    ("keys revoke a/b --keys DIR/keys", "1 to 64 of A-Z a-z 0-9"),
    ("keys revoke other --keys DIR/keys", "`chappe keys list --keys DIR/keys` shows those that it has"),
    ("token", "--room <ROOM>"),
    ("token --room a --watch", "`chappe keys add --keys FILE` makes one"),
    ("token --keys DIR/nothing --room a --watch", "`chappe keys add --keys DIR/nothing` makes it"),
    ("token --keys DIR/empty --room a --watch", "`chappe keys add --keys DIR/empty` makes one"),
    ("token --keys DIR/keys --room a --watch --key other", "`chappe keys list --keys DIR/keys` shows"),
    ("token --keys DIR/keys --watch", "--room <ROOM>"),
    ("token --keys DIR/keys --room a", "--publish, --watch"),
    ("token --keys DIR/keys --room a/b --watch", "a name or pattern is 1 to 128 of"),
    ("token --keys DIR/keys --room LONG --watch", "a name or pattern is 1 to 128 of"),
    ("token --keys DIR/keys --room a --watch --stream a/b", "a name or pattern is 1 to 128 of"),
    ("token --keys DIR/keys --room a --watch --sources cam", "there are camera, microphone"),
    ("token --keys DIR/keys --room a --watch --expires 0s", "wants a time from 1s to 87600h"),
    ("token --keys DIR/keys --room a --watch --expires 99999999h", "wants a time from 1s to 87600h"),
    ("token --keys DIR/keys --room a --watch --identity LONG", "wants 1 to 256 bytes"),
    ("token --keys DIR/keys --room a --watch --name LONG", "wants 1 to 256 bytes"),
    ("token --keys DIR/keys --room a --operate", "cannot be used with"),
    ("token --inspect x", "`chappe token --keys FILE` makes one"),
];

const OF_LOAD: &[Mistake] = &[
    ("load", "<http[s]://HOST:PORT>"),
    ("load media.example", "wants http://HOST:PORT"),
    ("load http://127.0.0.1:99999", "wants http://HOST:PORT"),
    ("load http://a --viewers x", "wants a number from 0 to 20000"),
    ("load http://a --rooms 0", "wants a number from 1 to 1000"),
    ("load http://a --room a/b", "wants 1 to 64 of"),
    ("load http://a --profile 4k", "there are audio, 360p, 720p"),
    ("load http://a --duration 0s", "wants 100ms or more"),
    ("load http://a --ramp 40s", "longer than --duration"),
    ("load http://a --token é", "--token is no token: `chappe token"),
    ("load https://a --ca DIR/nothing", "--ca DIR/nothing can't be read"),
];

/// A node with them never begins to run.
const OF_A_NODE: &[Mistake] = &[
    ("up x", "unexpected argument 'x'"),
    ("--auth jwt --keys DIR/nothing", "`chappe keys add --keys DIR/nothing` makes it"),
    ("--auth jwt --keys DIR", "name a file that `chappe keys add --keys FILE` has made"),
    ("--auth jwt --keys DIR/text", "line 1: a key is written as `id: secret`"),
    ("--auth jwt --jwks https://a=DIR/nothing", "--jwks https://a=DIR/nothing can't be read"),
    ("--cluster http://127.0.0.1:9", "--cluster: a cluster URL begins with nats://"),
    ("--cluster nats://127.0.0.1:9?creds=DIR/nothing", "--cluster: creds=DIR/nothing can't be read"),
    ("--per-address x", "wants a number from 1 to"),
    ("--room-metrics 201", "wants a number from 0 to 200"),
    ("--loudest 33", "wants a number from 0 to 32"),
    ("--log-files 0", "wants a number from 1 to 1000"),
    ("--log-file DIR/no/log", "--log-file DIR/no/log can't be written"),
    ("--state-file DIR/no/state", "there is no folder DIR/no"),
    ("--state-file DIR", "it is a folder"),
    ("--node LONG", "wants 1 to 64 of"),
    ("--turn 127.0.0.1:8080", "--http 127.0.0.1:8080 and --turn 127.0.0.1:8080 cannot share a port"),
    ("--turn 0.0.0.0:7000", "--turn 0.0.0.0:7000 is among the media ports"),
    ("--http LONG", "wants an address and a port"),
];

#[test]
fn each_mistake_ends_with_2_and_one_line_with_the_way_out() {
    let dir = prepared();
    let folder = dir.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let all = [OF_COMMANDS, OF_WHOM_IS_ASKED, OF_KEYS_AND_TOKENS, OF_LOAD, OF_A_NODE];
    let mut wrong = Vec::new();
    for (typed, expected) in all.into_iter().flatten() {
        let long = "x".repeat(5_000);
        let args = typed.replace("DIR", &folder).replace("LONG", &long);
        let (code, stdout, stderr) = run(&dir, &args.split(' ').collect::<Vec<_>>());
        let is_told = stderr.lines().count() == 1 && stderr.contains(&expected.replace("DIR", &folder));
        if code != 2 || !stdout.is_empty() || !is_told || stderr.len() > LINE_BYTES_MAX {
            wrong.push(format!("{typed}: {code} {stdout}{stderr}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn who_asks_where_nobody_answers_is_told_so_in_one_line_and_ends_with_3() {
    let dir = prepared();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let session = "0".repeat(32);
    let commands = format!(
        "ls|rooms|streams|session {session}|session --list|kick {session}|mute {session}|logs|scale 2|reload|drain|drain --cancel\
         |restart --worker 0|keys list|keys add|keys revoke key-1"
    );
    let mut asked: Vec<String> = commands.split('|').map(|command| format!("{command} --admin {nobody}")).collect();
    asked.push(format!("load http://{nobody}"));
    asked.push(format!("ls --state-file {}", dir.path("nothing").display()));
    for command in asked {
        let (code, stdout, stderr) = run(&dir, &command.split(' ').collect::<Vec<_>>());
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (3, "", 1), "{command}: {stderr}");
        assert!(stderr.contains("chappe: no ") || stderr.contains("names no node"), "{command}: {stderr}");
    }
}

#[test]
fn help_is_given_in_both_ways_of_asking() {
    let dir = Dir::new();
    let asked = run(&dir, &["help", "scale"]);
    assert_eq!(asked.0, 0, "{}", asked.2);
    assert_eq!(asked, run(&dir, &["scale", "--help"]));
    assert_eq!(run(&dir, &["help", "scael"]).0, 2);
}

/// With a file of keys, one of none, and one of something else.
fn prepared() -> Dir {
    let dir = Dir::new();
    assert_eq!(run(&dir, &["keys", "add", "--keys", dir.path("keys").to_str().unwrap()]).0, 0);
    fs::write(dir.path("text"), "hello world\n").unwrap();
    fs::File::create(dir.path("large")).unwrap().set_len(1 << 21).unwrap();
    let empty = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.path("empty"));
    empty.unwrap();
    dir
}

/// What still is a line, with the paths of a test.
const LINE_BYTES_MAX: usize = 800;
