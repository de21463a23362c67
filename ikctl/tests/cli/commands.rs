//! What is asked of the daemon and changes something: `up`, `down`, `reload`, `shutdown`.

use crate::support::Daemon;

#[test]
fn up_waits_and_says_so() {
    let (call, ended) =
        Daemon::start("up", "{\"parameters\":{\"state\":\"up\"}}\0").run(&["up", "branch"]);
    assert!(
        call.contains(r#"{"child":null,"connection":"branch","timeout_seconds":60,"wait":true}"#),
        "{call}"
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "branch is up\n"));

    let daemon = Daemon::start("up-child", "{\"parameters\":{\"state\":\"up\"}}\0");
    let (call, ended) = daemon.run(&["up", "branch", "lan", "--timeout", "1500ms"]);
    assert!(
        call.contains(r#"{"child":"lan","connection":"branch","timeout_seconds":2,"wait":true}"#),
        "{call}"
    );
    assert_eq!(ended.stdout, "branch/lan is up\n");

    let daemon = Daemon::start(
        "up-no-wait",
        "{\"parameters\":{\"state\":\"connecting\"}}\0",
    );
    let (call, ended) = daemon.run(&["up", "branch", "--no-wait"]);
    assert!(
        call.contains(r#""timeout_seconds":null,"wait":false"#),
        "{call}"
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "branch: connecting\n")
    );
}

#[test]
fn down_reload_and_shutdown_say_what_they_did() {
    let (call, ended) = Daemon::start("down", "{}\0").run(&["down", "branch", "lan"]);
    assert!(
        call.contains(r#"Control.Down","parameters":{"child":"lan","connection":"branch"}"#),
        "{call}"
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "branch/lan is down\n")
    );

    let reloaded =
        "{\"parameters\":{\"added\":[\"a\",\"b\"],\"removed\":[],\"changed\":[\"c\"]}}\0";
    let (_, ended) = Daemon::start("reload", reloaded).run(&["reload"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "added: a, b\nchanged: c\n")
    );
    let (_, ended) = Daemon::start("reload-same", "{\"parameters\":{}}\0").run(&["reload"]);
    assert!(
        ended
            .stdout
            .starts_with("read again: no connection has changed; secrets")
    );

    let (call, ended) =
        Daemon::start("shutdown", "{\"parameters\":{}}\0").run(&["shutdown", "--json"]);
    assert_eq!(
        call,
        r#"{"method":"org.ikd.Control.Shutdown","parameters":{}}"#
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "{}\n"));
}
