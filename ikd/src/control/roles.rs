//! Who may look and who may change: by the credentials that the kernel vouches for when a caller connects.
//!
//! The socket itself is open to all (0666), for a file has one group and there are two roles; and so that who may not is told
//! which group would do, where a closed file says "permission denied" and no more. What a stranger gets is one answer, on the
//! spot, and an end.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::unistd::Group as SystemGroup;
use tokio::net::UnixStream;

/// The groups that exist on a packaged system.
const LOOK_GROUP: &str = "ikd";
const CHANGE_GROUP: &str = "ikd-admin";

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Nothing.
    Stranger,
    /// Ask.
    Look,
    /// Ask and change.
    Change,
}

/// Which groups may do what; root and the daemon's own user may do everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    look: Option<Group>,
    change: Option<Group>,
}

/// A group of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    id: u32,
}

/// There is no group of this name or number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoGroup(pub(crate) String);

/// Who called, as of the moment when it connected.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) user: u32,
    /// 0 where it is not known, as for a process outside of our namespace.
    pub(super) process: i32,
    groups: Vec<u32>,
}

impl Roles {
    /// Finds the groups: those given, or those of a packaged system where they exist.
    ///
    /// # Errors
    /// [`NoGroup`] where one was given and does not exist.
    pub(crate) fn find(look: Option<&str>, change: Option<&str>) -> Result<Self, NoGroup> {
        Ok(Self {
            look: Group::find(look, LOOK_GROUP)?,
            change: Group::find(change, CHANGE_GROUP)?,
        })
    }

    /// What a caller may do.
    pub(super) fn of(&self, caller: &Caller) -> Role {
        let member = |group: &Option<Group>| {
            group
                .as_ref()
                .is_some_and(|group| caller.groups.contains(&group.id))
        };
        if caller.is_root() || member(&self.change) {
            Role::Change
        } else if member(&self.look) {
            Role::Look
        } else {
            Role::Stranger
        }
    }

    /// What a caller would have to be, such as `root, or a member of the group ikd-admin`.
    pub(super) fn needs(&self, role: Role) -> String {
        let look = self.look.as_ref().filter(|_| role < Role::Change);
        match (look, &self.change) {
            (None, None) => "root".to_owned(),
            (Some(group), None) | (None, Some(group)) => {
                format!("root, or a member of the group {group}")
            }
            (Some(look), Some(change)) => {
                format!(
                    "root, or a member of the group {look} (to look) or {change} (to look and change)"
                )
            }
        }
    }
}

impl Group {
    fn find(given: Option<&str>, usual: &str) -> Result<Option<Self>, NoGroup> {
        let Some(name) = given else {
            return Ok(Self::named(usual));
        };
        let number = || {
            let id = name.parse().ok()?;
            Some(Self {
                name: name.to_owned(),
                id,
            })
        };
        let found = Self::named(name).or_else(number);
        found.map(Some).ok_or_else(|| NoGroup(name.to_owned()))
    }

    fn named(name: &str) -> Option<Self> {
        let group = SystemGroup::from_name(name).ok()??;
        Some(Self {
            name: group.name,
            id: group.gid.as_raw(),
        })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Caller {
    /// Whoever is at the other end.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let peer = stream.peer_cred()?;
        // A kernel that does not tell them (before 4.13) leaves the caller with its first group.
        let mut groups = supplementary_groups(stream.as_fd()).unwrap_or_default();
        groups.push(peer.gid());
        Ok(Self {
            user: peer.uid(),
            process: peer.pid().unwrap_or_default(),
            groups,
        })
    }

    /// A caller for tests.
    #[cfg(test)]
    pub(super) fn with_user(user: u32) -> Self {
        Self {
            user,
            process: 1,
            groups: Vec::new(),
        }
    }

    /// Root, or the user that we run as, who could do everything without us.
    pub(super) fn is_root(&self) -> bool {
        self.user == 0 || self.user == nix::unistd::geteuid().as_raw()
    }
}

/// The supplementary groups of whoever connected (SO_PEERGROUPS, Linux 4.13; socket(7) does not have it).
fn supplementary_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 32];
    loop {
        let size = groups.len() * size_of::<libc::gid_t>();
        let mut length = libc::socklen_t::try_from(size).expect("at most 65536 groups of 4 bytes");
        // Neither nix nor socket2 has this option.
        #[expect(unsafe_code, reason = "a socket option that no crate of ours wraps")]
        // SAFETY: the descriptor is open while it is borrowed; the kernel writes at most `length` bytes, which is the size
        // of `groups`, and any bytes are valid in numbers.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let told = length as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(told);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // ERANGE: the kernel says how much room it wants.
        if error.raw_os_error() != Some(libc::ERANGE) || told <= groups.len() {
            return Err(error);
        }
        groups.resize(told, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(user: u32, groups: &[u32]) -> Caller {
        Caller {
            user,
            process: 1,
            groups: groups.to_vec(),
        }
    }

    fn group(name: &str, id: u32) -> Option<Group> {
        Some(Group {
            name: name.to_owned(),
            id,
        })
    }

    #[test]
    fn groups_decide_and_root_may_always() {
        let roles = Roles {
            look: group("ikd", 71),
            change: group("ikd-admin", 72),
        };
        let nobody = 65_534;
        let role = |user, groups: &[u32]| roles.of(&caller(user, groups));
        assert_eq!(role(0, &[]), Role::Change);
        assert_eq!(role(nobody, &[]), Role::Stranger);
        assert_eq!(role(nobody, &[70, 73]), Role::Stranger);
        assert_eq!(role(nobody, &[100, 71]), Role::Look);
        assert_eq!(
            role(nobody, &[72]),
            Role::Change,
            "without being in the other"
        );
        assert_eq!(Roles::default().of(&caller(nobody, &[71])), Role::Stranger);
    }

    #[test]
    fn a_refusal_names_the_group_that_would_do() {
        let both = Roles {
            look: group("ikd", 71),
            change: group("ikd-admin", 72),
        };
        let admins = "root, or a member of the group ikd-admin";
        assert_eq!(both.needs(Role::Change), admins);
        assert!(
            both.needs(Role::Look)
                .contains("ikd (to look) or ikd-admin")
        );
        let look_only = Roles {
            change: None,
            ..both
        };
        assert_eq!(look_only.needs(Role::Change), "root");
        assert_eq!(
            look_only.needs(Role::Look),
            "root, or a member of the group ikd"
        );
    }

    #[test]
    fn a_group_given_must_exist_and_a_usual_one_need_not() {
        let missing = "no-group-of-this-name";
        assert_eq!(
            Group::find(Some(missing), "ikd"),
            Err(NoGroup(missing.to_owned()))
        );
        assert_eq!(Group::find(None, missing), Ok(None));
        assert_eq!(Group::find(Some("4711"), missing), Ok(group("4711", 4711)));
    }

    #[tokio::test]
    async fn the_kernel_tells_who_is_at_the_other_end() {
        let (one, _other) = UnixStream::pair().expect("a pair of sockets");
        let caller = Caller::of(&one).expect("told");
        assert_eq!(caller.user, nix::unistd::geteuid().as_raw());
        let ours = nix::unistd::getgroups().expect("our groups");
        for group in ours {
            assert!(caller.groups.contains(&group.as_raw()), "{group} of ours");
        }
    }
}
