//! Places for clients: so many in all, so many of one user, and some that are kept for root. And whose turn it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::roles::Caller;

/// Clients served at once; each costs a file descriptor, and at most a call of 64 KiB and a queue of a monitor, or its part
/// of [`super::replies`].
pub(super) const CLIENTS: usize = 192;
/// Of one user who is not root.
const PER_USER: usize = 64;
/// That only root, or the daemon's own user, can have: however many hang on, root gets in.
const FOR_ROOT: usize = 32;

/// Who has which places.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    ordinary: usize,
    users: HashMap<u32, User>,
}

/// What the clients of one user share.
#[derive(Debug, Default)]
struct User {
    places: usize,
    turn: Arc<Turn>,
}

/// What takes time is done for one client of a user after the other: fifty clients of one make nobody else wait for fifty.
pub(super) type Turn = tokio::sync::Mutex<()>;

/// A place, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    user: u32,
    is_root: bool,
    /// Shared with the other clients of the user.
    pub(super) turn: Arc<Turn>,
}

impl Places {
    /// A place for a caller, or why there is none.
    pub(super) fn take(&self, caller: &Caller) -> Result<Place, String> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, is_root) = (caller.user, caller.is_root());
        if taken.all >= CLIENTS {
            return Err(format!("{CLIENTS} clients are being served"));
        }
        if !is_root && taken.ordinary >= CLIENTS - FOR_ROOT {
            let most = CLIENTS - FOR_ROOT;
            return Err(format!(
                "{most} clients are being served, the rest is for root"
            ));
        }
        let own = taken.users.entry(user).or_default();
        if !is_root && own.places >= PER_USER {
            return Err(format!(
                "{PER_USER} clients of user {user} are being served"
            ));
        }
        own.places += 1;
        let turn = Arc::clone(&own.turn);
        taken.ordinary += usize::from(!is_root);
        taken.all += 1;
        Ok(Place {
            places: self.clone(),
            user,
            is_root,
            turn,
        })
    }

    /// Whether nobody is served.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all == 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        taken.ordinary -= usize::from(!self.is_root);
        if let Some(own) = taken.users.get_mut(&self.user) {
            own.places -= 1;
            if own.places == 0 {
                taken.users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_keep_others_out_and_all_together_cannot_keep_root_out() {
        let places = Places::default();
        let take = |user| places.take(&Caller::with_user(user));
        let ours = nix::unistd::geteuid().as_raw();
        let mut held = Vec::new();
        for user in (1_000_000..1_000_003).filter(|user| *user != ours) {
            while let Ok(place) = take(user) {
                held.push(place);
            }
        }
        assert_eq!(held.len(), CLIENTS - FOR_ROOT, "64, 64 and what is left");
        assert!(take(1_000_009).unwrap_err().contains("for root"));
        let roots: Vec<_> = std::iter::from_fn(|| take(0).ok()).collect();
        assert_eq!(roots.len(), FOR_ROOT);
        held.truncate(PER_USER);
        assert!(take(1_000_000).unwrap_err().contains("user 1000000"));
        assert!(take(1_000_001).is_ok());
        drop((held, roots));
        assert!(places.is_empty());
    }

    #[test]
    fn clients_of_one_user_take_turns_and_nobody_else_waits_for_them() {
        let places = Places::default();
        let take = |user| places.take(&Caller::with_user(user)).expect("a place");
        let (one, other) = (take(1_000_000), take(1_000_000));
        let _ours = one.turn.try_lock().expect("nobody before us");
        assert!(other.turn.try_lock().is_err());
        assert!(take(1_000_001).turn.try_lock().is_ok());
        assert!(take(0).turn.try_lock().is_ok());
    }
}
