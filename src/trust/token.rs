//! Keys that never leave a token: PKCS#11 2.40 and later, mechanism `CKM_EDDSA`.

use super::key::{PublicKey, bad};
use super::source::{Place, passphrase};
use super::uri::TokenUri;
use crate::report::{Error, ErrorCode, Result};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error as Fault;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;

/// A private key on a token, in a session that ends when this is dropped.
#[derive(Debug)]
pub struct TokenKey {
    session: Session,
    key: ObjectHandle,
    public: PublicKey,
    name: String,
}

impl TokenKey {
    /// Loads the module, finds the one token and the one key that the URI names, and logs in.
    ///
    /// # Errors
    /// `io` for a module that cannot be loaded; `bad-key` where not exactly one token and one Ed25519 key fit, for a
    /// PIN that is missing or wrong, and without the public key beside the private one.
    pub(super) fn open(uri: &TokenUri, pin: Option<&Place>) -> Result<Self> {
        let module = |e: Fault| {
            Error::new(ErrorCode::Io, uri.module.display(), format!("not a PKCS#11 module that works here: {e}"))
                .next("look at 'module-path'; `pkcs11-tool --module PATH -L` lists the tokens that a module reaches")
        };
        let context = Pkcs11::new(&uri.module).map_err(module)?;
        context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(module)?;
        let slot = slot(&context, uri)?;
        let failed = |e: Fault| failed(uri, &e);
        let session = context.open_ro_session(slot).map_err(failed)?;
        let token = context.get_token_info(slot).map_err(failed)?;
        if let Some(place) = pin {
            // Moved and not copied, so that there is one place to wipe, which `RawAuthPin` does.
            let pin = RawAuthPin::new(Box::new(std::mem::take(&mut *passphrase(place)?)));
            session.login_with_raw(UserType::User, &pin).map_err(failed)?;
        } else if token.protected_authentication_path() {
            session.login(UserType::User, None).map_err(failed)?;
        } else if token.login_required() {
            return Err(bad(uri, "the token wants a PIN, and none is given")
                .next("say where it is: --passphrase file:PATH, fd:N, or - for standard input"));
        }
        let mut wanted = vec![Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(KeyType::EC_EDWARDS)];
        wanted.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
        wanted.extend(uri.id.clone().map(Attribute::Id));
        let key = only(&session.find_objects(&wanted).map_err(failed)?, uri, "private Ed25519 key")?;
        let asks = session.get_attributes(key, &[AttributeType::AlwaysAuthenticate]).map_err(failed)?;
        if asks.contains(&Attribute::AlwaysAuthenticate(true)) {
            // Between the beginning and the end of a signature `cryptoki` has no place for a login.
            return Err(bad(uri, "the key wants a PIN for every single signature (CKA_ALWAYS_AUTHENTICATE), which is not supported")
                .next("write what is to be signed with --emit, sign it with the token's own tool, and take that with --attach"));
        }
        let public = public_of(&session, key, uri)?;
        Ok(Self { session, key, public, name: uri.to_string() })
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// # Errors
    /// `bad-key` if the token refuses, or if what it gives is not its key's signature.
    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64]> {
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let signature = self.session.sign(&mechanism, self.key, message).map_err(|e| failed(&self.name, &e))?;
        // A token that errs, or another key's public half beside this key, is noticed here and not at the customer's.
        match <[u8; 64]>::try_from(signature) {
            Ok(signature) if self.public.verifies(message, &signature) => Ok(signature),
            _ => Err(bad(&self.name, "what the token gave is no signature of the public key beside it")
                .next("look whether the objects with this id belong together: pkcs11-tool -O")),
        }
    }
}

fn failed(subject: impl std::fmt::Display, e: &Fault) -> Error {
    bad(subject, format!("the token refused: {e}"))
        .next("look at the PIN and the key: pkcs11-tool --module PATH --token-label LABEL --login -O")
}

fn slot(context: &Pkcs11, uri: &TokenUri) -> Result<Slot> {
    let failed = |e: Fault| failed(uri, &e);
    let mut fitting = Vec::new();
    let mut present = Vec::new();
    for slot in context.get_slots_with_initialized_token().map_err(failed)? {
        let token = context.get_token_info(slot).map_err(failed)?;
        let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w == is);
        if uri.slot.is_none_or(|id| id == slot.id())
            && fits(&uri.token, token.label())
            && fits(&uri.manufacturer, token.manufacturer_id())
            && fits(&uri.model, token.model())
            && fits(&uri.serial, token.serial_number())
        {
            fitting.push(slot);
        }
        present.push(format!("'{}' (serial {})", token.label().escape_debug(), token.serial_number().escape_debug()));
    }
    match fitting.as_slice() {
        [one] => Ok(*one),
        [] => Err(bad(uri, format!("no such token; there are: {}", present.join(", ")))
            .next("plug it in, or look at what the module sees: pkcs11-tool --module PATH -L")),
        _ => Err(bad(uri, format!("{} tokens fit; there are: {}", fitting.len(), present.join(", ")))
            .next("add serial=… to the URI")),
    }
}

fn only(found: &[ObjectHandle], uri: &TokenUri, what: &str) -> Result<ObjectHandle> {
    match found {
        [one] => Ok(*one),
        [] => Err(bad(uri, format!("there is no {what}")).next("list the keys: pkcs11-tool --module PATH --login -O")),
        _ => Err(bad(uri, format!("{} objects fit, each a {what}", found.len())).next("add id=%… to the URI")),
    }
}

/// The public half: an object of its own with the same id, as PKCS#11 has it.
fn public_of(session: &Session, key: ObjectHandle, uri: &TokenUri) -> Result<PublicKey> {
    let failed = |e: Fault| failed(uri, &e);
    let attribute = |object, kind| session.get_attributes(object, &[kind]).map_err(failed);
    let mut wanted = vec![Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(KeyType::EC_EDWARDS)];
    wanted.extend(attribute(key, AttributeType::Id)?.into_iter().filter(|a| matches!(a, Attribute::Id(_))));
    let public = only(&session.find_objects(&wanted).map_err(failed)?, uri, "public key with the private one's id")?;
    let point = attribute(public, AttributeType::EcPoint)?.into_iter().find_map(|a| match a {
        Attribute::EcPoint(point) => Some(point),
        _ => None,
    });
    // An octet string in DER (2.40), or the bytes alone (3.0); of 32 bytes, for Ed448 has 57.
    let point = point.unwrap_or_default();
    let raw = if let [0x04, 0x20, raw @ ..] = point.as_slice() { raw } else { &point };
    let raw: &[u8; 32] = raw.try_into().map_err(|_| bad(uri, "the public key is no Ed25519 point"))?;
    PublicKey::from_point(raw).map_err(|why| bad(uri, why))
}
