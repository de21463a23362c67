//! From the command line to the running daemon: each thing that can be wrong is found before anything is installed.
//!
//! ```text
//!   hardening -> configuration -> state directory -> control socket -> what the kernel can -> UDP ports
//!     -> leavings of a predecessor -> owners -> engine loop
//! ```

use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use ike::config::{Configuration, KernelMode};
use ike::crypto::{SystemRandom, standard};
use ike::engine::event::Level;
use ike::engine::io::QuestionId;
use ike::engine::{Engine, Options, RandomSource};
use nix::sys::resource::{Resource, setrlimit};
use preflight::{Asker, ThisMachine};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use xfrm_sys::{Xfrm, XfrmError};

use crate::arguments::{Arguments, Exit};
use crate::clock::{self, Settings, Timer};
use crate::configuration::{self, Loaded};
use crate::control::{self, Facts, ListenError, Listener, NoGroup, Roles, Server};
use crate::credentials::Credentials;
use crate::events::{Event, Events, Keys};
use crate::kernel::probe::{self, Shortage};
use crate::keylog::{Keylog, KeylogError};
use crate::shell::{Inputs, Parts, Shell};
use crate::sockets::{self, BindError};
use crate::{expiry, fetch, kernel, log, metrics, resolve};

/// Calls of the control socket that may wait for the engine.
const ASKS: usize = 64;

/// Why the daemon did not start: one message, and one line on what to do.
pub(crate) struct StartError {
    exit: Exit,
    message: String,
    suggestion: Option<String>,
}

impl StartError {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            suggestion: None,
        }
    }

    fn help(self, suggestion: impl Into<String>) -> Self {
        Self {
            suggestion: Some(suggestion.into()),
            ..self
        }
    }

    /// Tells it, and says how to end.
    pub(crate) fn tell(self, events: &mut Events) -> Exit {
        events.tell(&Event::StartFailed {
            message: self.message,
            suggestion: self.suggestion,
        });
        self.exit
    }
}

/// No core dump, and no other process of our user may look into our memory.
pub(crate) fn harden() -> nix::Result<()> {
    nix::sys::prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
}

/// Reads the configuration, tells what is wrong with it.
pub(crate) fn load(
    arguments: &Arguments,
    format: log::Format,
    events: &mut Events,
) -> Result<Loaded, Exit> {
    let mut tell = |report: &policies::Report| match format {
        log::Format::Json | log::Format::Journal => events.problems(report),
        log::Format::Text if report.problems.is_empty() => {}
        // A terminal may be gone; the exit status still tells.
        log::Format::Text => drop(writeln!(io::stderr(), "{}", report.draw(false))),
    };
    match configuration::load(&arguments.config) {
        Ok(mut loaded) => {
            if !arguments.check {
                expiry::leave_to_teller(&mut loaded.warnings);
            }
            tell(&loaded.warnings);
            Ok(loaded)
        }
        Err(report) => {
            tell(&report);
            Err(Exit::Configuration)
        }
    }
}

/// Runs the daemon until it ends.
pub(crate) async fn run(
    arguments: Arguments,
    loaded: Loaded,
    events: &mut Events,
) -> Result<Exit, StartError> {
    let _lock = lock(&arguments.state_dir)?;
    let roles = Roles::find(
        arguments.look_group.as_deref(),
        arguments.change_group.as_deref(),
    )
    .map_err(no_group)?;
    let listener = Listener::open(&arguments.control, roles)
        .map_err(|error| listen_failed(&arguments.control, error))?;
    let keylog = open_keylog(&arguments, events)?;
    let policy = loaded.policy();
    let Loaded {
        configuration,
        secrets,
        keys,
        files,
        holes,
        ..
    } = loaded;
    let mode = configuration.kernel;
    let kernel = look_at_kernel(&configuration, events).await?;
    let exempt = exempt(mode);
    let preflight = preflight::look(&configuration, &ThisMachine, Asker::Daemon);
    let sockets =
        sockets::bind(exempt, |error| events.tell(&Event::NoIpv6(error))).map_err(bind_failed)?;

    let (kernel_reports, from_kernel) = mpsc::unbounded_channel();
    let handle = match kernel.xfrm {
        Some(xfrm) => kernel::start(xfrm, kernel_reports)
            .await
            .map_err(|error| kernel_failed(&error))?,
        None => kernel::start_without(kernel_reports),
    };
    let (credential_reports, from_credentials) = mpsc::unbounded_channel();
    let provider = standard();
    let paths = arguments.config.clone();
    let credentials = Credentials {
        paths,
        secrets,
        keys,
        policy,
        files,
        interval: arguments.watch(),
        provider,
        kernel: mode,
        exempt,
    }
    .start(credential_reports);
    let (fetch_reports, fetched) = mpsc::unbounded_channel();
    let fetch = fetch::start(fetch::Limits::default(), fetch_reports);
    let (resolve_reports, resolved) = mpsc::unbounded_channel();
    let resolve = resolve::Handle::new(resolve_reports);
    let (asks, from_control) = mpsc::channel(ASKS);
    let source = metrics::Source::new(
        control::Shell(asks.clone()),
        handle.clone(),
        Arc::clone(events.metrics()),
    );
    if let Some(address) = arguments.metrics {
        let served = metrics::serve(address, source.clone())
            .map_err(|error| metrics_failed(address, &error))?;
        events.tell(&Event::MetricsServed(served));
    }
    let inputs = inputs(
        from_kernel,
        from_credentials,
        Found { fetched, resolved },
        from_control,
    )
    .map_err(system_failed)?;
    let server = Server::start(listener, control::Shell(asks), handle.clone(), source)
        .map_err(system_failed)?;

    events.tell(&Event::Started {
        connections: configuration.connections.len(),
        shunts: configuration.shunts.len(),
        control: arguments.control.clone(),
    });
    if !holes.is_empty() {
        events.tell(&Event::Holes(holes));
    }
    let options = Options {
        number: 0,
        provider,
        random: RandomSource(Box::new(SystemRandom::new())),
        export_keys: keylog.is_some(),
        persistence: ike::engine::Persistence::Off,
    };
    let parts = Parts {
        engine: Engine::new(options),
        sockets,
        timer: Timer::new().map_err(system_failed)?,
        clock_set: Settings::new().map_err(system_failed)?,
        kernel: handle,
        credentials,
        fetch,
        resolve,
        keylog,
        preflight,
        facts: facts(&arguments, configuration, kernel.found, kernel.missing),
        events: std::mem::take(events),
    };
    Ok(Shell::new(parts).run(inputs, server).await)
}

/// What comes of looking elsewhere.
struct Found {
    fetched: mpsc::UnboundedReceiver<(QuestionId, fetch::Fetched)>,
    resolved: mpsc::UnboundedReceiver<(QuestionId, resolve::Resolved)>,
}

fn inputs(
    kernel: mpsc::UnboundedReceiver<kernel::Report>,
    credentials: mpsc::UnboundedReceiver<crate::credentials::Report>,
    Found { fetched, resolved }: Found,
    control: mpsc::Receiver<control::Ask>,
) -> io::Result<Inputs> {
    Ok(Inputs {
        kernel,
        credentials,
        fetched,
        resolved,
        control,
        hangup: signal(SignalKind::hangup())?,
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    })
}

fn facts(
    arguments: &Arguments,
    configuration: Configuration,
    found: Vec<String>,
    missing: Vec<String>,
) -> Facts {
    let now = clock::now();
    Facts {
        started: now.wall.as_secs(),
        started_boot: now.boot,
        paths: arguments.config.clone().into(),
        configuration: Arc::new(configuration),
        loaded_at: now.wall.as_secs(),
        reload_failure: None,
        keylog: arguments.keylog.as_deref().map(Into::into),
        capabilities: found.into(),
        missing: missing.into(),
    }
}

/// What the kernel can.
struct Kernel {
    xfrm: Option<Xfrm>,
    found: Vec<String>,
    missing: Vec<String>,
}

async fn look_at_kernel(
    configuration: &Configuration,
    events: &mut Events,
) -> Result<Kernel, StartError> {
    if configuration.kernel == KernelMode::None {
        return Ok(Kernel {
            xfrm: None,
            found: Vec::new(),
            missing: Vec::new(),
        });
    }
    let xfrm = Xfrm::open().map_err(|error| kernel_failed(&error))?;
    let capabilities = xfrm.probe().await.map_err(|error| kernel_failed(&error))?;
    for warning in probe::compare(configuration, &capabilities).map_err(shortage)? {
        events.tell(&Event::Preflight {
            level: Level::Warning,
            code: "missing-algorithm",
            message: warning,
            suggestion: None,
        });
    }
    let (found, missing) = probe::tell(&capabilities);
    Ok(Kernel {
        xfrm: Some(xfrm),
        found,
        missing,
    })
}

/// The file for keys, where one is asked for: told loudly, for whoever reads it reads IKE.
fn open_keylog(arguments: &Arguments, events: &mut Events) -> Result<Option<Keylog>, StartError> {
    let Some(path) = &arguments.keylog else {
        return Ok(None);
    };
    let keylog = Keylog::open(path).map_err(|error| {
        let exit = match error {
            KeylogError::NotRoot => Exit::Privilege,
            _ => Exit::Failed,
        };
        let message = format!("--keylog {}: {error}", path.display());
        StartError::new(exit, message).help(error.suggestion())
    })?;
    events.tell(&Event::Keylog(Keys::Written(path.clone())));
    Ok(Some(keylog))
}

/// Without a kernel there are no policies that a socket would need to be exempt from.
fn exempt(mode: KernelMode) -> fn(&UdpSocket) -> io::Result<()> {
    match mode {
        KernelMode::Xfrm => |socket| xfrm_sys::exempt_socket(socket),
        KernelMode::None => |_| Ok(()),
    }
}

/// One daemon per state directory: the lock goes with the process, however it ends.
fn lock(directory: &Path) -> Result<File, StartError> {
    let shown = directory.display();
    let failed = |error: io::Error| {
        let exit = if error.kind() == io::ErrorKind::PermissionDenied {
            Exit::Privilege
        } else {
            Exit::Failed
        };
        StartError::new(
            exit,
            format!("the state directory {shown} cannot be used: {error}"),
        )
        .help("run ikd as root, or give --state-dir")
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(failed)?;
    // Ours alone: whoever can open it could lock it, and so keep the next daemon from starting.
    let file = File::options()
        .mode(0o600)
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("ikd.lock"))
        .map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("another ikd runs with the state directory {shown}");
            Err(StartError::new(Exit::AlreadyRunning, message).help(
                "stop it with `ikctl shutdown`, or give this one its own --state-dir and --control",
            ))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn no_group(NoGroup(name): NoGroup) -> StartError {
    let message = format!("there is no group {name:?} on this machine");
    StartError::new(Exit::Configuration, message)
        .help("make it (`groupadd --system NAME`), or correct --look-group and --change-group")
}

fn listen_failed(path: &Path, error: ListenError) -> StartError {
    let path = path.display();
    match error {
        ListenError::AlreadyRunning => StartError::new(
            Exit::AlreadyRunning,
            format!("another ikd answers on the control socket {path}"),
        )
        .help("stop it with `ikctl shutdown`, or give this one its own --control and --state-dir"),
        ListenError::NotASocket => StartError::new(
            Exit::Failed,
            format!("{path} is no socket, and is left alone"),
        )
        .help("remove it, or give another --control"),
        ListenError::Io(what, error) if error.kind() == io::ErrorKind::PermissionDenied => {
            StartError::new(Exit::Privilege, format!("{what} {path}: {error}"))
                .help("run ikd as root, or give another --control")
        }
        ListenError::Io(what, error) => {
            StartError::new(Exit::Failed, format!("{what} {path}: {error}"))
        }
    }
}

fn metrics_failed(address: SocketAddr, error: &io::Error) -> StartError {
    let start = StartError::new(
        Exit::Failed,
        format!("--metrics {address}: metrics cannot be served there: {error}"),
    );
    match error.kind() {
        io::ErrorKind::AddrInUse => start.help(format!(
            "give another port; `ss -tlpn sport = :{}` shows who has this one",
            address.port()
        )),
        _ => start.help("give another address of the loopback interface, such as 127.0.0.1:9497"),
    }
}

fn bind_failed(error: BindError) -> StartError {
    match error {
        BindError::InUse { port, suspects } if suspects.is_empty() => {
            let message = format!(
                "UDP port {port} is in use by another program: IKE needs ports 500 and 4500 for itself"
            );
            StartError::new(Exit::PortInUse, message)
                .help(format!("`ss -ulpn sport = :{port}` shows which one"))
        }
        BindError::InUse { port, suspects } => {
            let message = format!(
                "UDP port {port} is in use, it seems by another IKE daemon: {}",
                suspects.join(", ")
            );
            StartError::new(Exit::PortInUse, message).help(format!(
                "stop it first; `ss -ulpn sport = :{port}` shows who has the port"
            ))
        }
        BindError::Privilege { what, capability } => privilege(&what, capability),
        BindError::Other { what, error } => {
            StartError::new(Exit::Failed, format!("{what}: {error}"))
        }
    }
}

fn privilege(what: &str, capability: &str) -> StartError {
    StartError::new(Exit::Privilege, format!("{what} is not permitted: ikd lacks {capability}"))
        .help("run ikd as root, or give it CAP_NET_ADMIN and CAP_NET_BIND_SERVICE in this network namespace")
}

fn kernel_failed(error: &XfrmError) -> StartError {
    if matches!(error.errno(), Some(libc::EPERM | libc::EACCES)) {
        return privilege("managing IPsec in the kernel", "CAP_NET_ADMIN");
    }
    let start = StartError::new(
        Exit::Kernel,
        format!("the kernel's IPsec cannot be used: {error}"),
    );
    match error.hint() {
        Some(hint) => start.help(hint),
        None => start,
    }
}

fn shortage(shortage: Shortage) -> StartError {
    match shortage {
        Shortage::Privilege => privilege("managing IPsec in the kernel", "CAP_NET_ADMIN"),
        Shortage::Esp {
            family,
            module,
            words,
        } => {
            let message = format!("the kernel has no ESP over {family}, it says: {words}");
            let option = if module == "esp4" {
                "CONFIG_INET_ESP"
            } else {
                "CONFIG_INET6_ESP"
            };
            StartError::new(Exit::Kernel, message).help(format!(
                "`modprobe {module}`, or a kernel with {option}; `kernel: none` in the configuration negotiates without protecting anything"
            ))
        }
        Shortage::NoAlgorithm { child, lacks } => {
            let message = format!(
                "the kernel has no algorithm for any `esp:` proposal of {child}: it lacks {lacks}"
            );
            StartError::new(Exit::Kernel, message)
                .help("load the module that has it, or propose another with `esp:`")
        }
    }
}

fn system_failed(error: io::Error) -> StartError {
    StartError::new(
        Exit::Failed,
        format!("the system refused a timer, a thread or a signal handler: {error}"),
    )
}
