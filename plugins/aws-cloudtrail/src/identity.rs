//! Who called: `userIdentity`.

use cairnlog_plugin::json::Object;
use cairnlog_plugin::{EventBuilder, ocsf, time};

/// Where an event keeps who called.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    user: &'static str,
    session: &'static str,
}

/// `actor.user` and `actor.session`.
pub(crate) const ACTOR: Place = Place { user: "actor.user", session: "actor.session" };
/// In Authentication the user is who signs in.
pub(crate) const SUBJECT: Place = Place { user: "user", session: "session" };

/// Whether `userIdentity` can be a user: OCSF requires a name, a uid or an account of it.
pub(crate) fn is_user(identity: Option<&Object<'_>>) -> bool {
    identity.is_some_and(|identity| {
        ["userName", "arn", "accountId"].iter().any(|key| identity.text(key).is_some())
    })
}

/// Writes who called. An actor needs a user or who the call was invoked by; a record that tells neither was made by the
/// service itself, `service`.
pub(crate) fn write(event: &mut EventBuilder, record: &mut Object<'_>, place: Place, service: Option<&str>) {
    let mut identity = record.take_object("userIdentity").unwrap_or_default();
    let invoked_by = identity.take_text("invokedBy");
    let known = is_user(Some(&identity));
    if known {
        user(event, &mut identity, place.user);
    }
    if let Some(invoked_by) = &invoked_by {
        event.text("actor.invoked_by", invoked_by.as_ref());
    } else if !known {
        event.text("actor.app_name", service.unwrap_or(ocsf::UNKNOWN));
    }
    session(event, &mut identity, place.session);
    record.put_rest("userIdentity", identity);
}

fn user(event: &mut EventBuilder, identity: &mut Object<'_>, path: &str) {
    let at = |member: &str| [path, ".", member].concat();
    let arn = identity.take_text("arn");
    if let Some(name) = identity.take_text("userName") {
        event.user_name(path, &name);
    } else if let Some(name) = arn.as_deref().and_then(name_of) {
        event.user_name(path, name);
    }
    event.text_if(at("uid"), arn);
    event.text_if(at("uid_alt"), identity.take_text("principalId"));
    event.text_if(at("account.uid"), identity.take_text("accountId"));
    event.text_if(at("programmatic_credentials[0].uid"), identity.take_text("accessKeyId"));
    match identity.text("type") {
        Some("IAMUser" | "IdentityCenterUser" | "SAMLUser" | "WebIdentityUser" | "FederatedUser") => {
            event.integer(at("type_id"), 1);
        }
        Some("Root") => event.integer(at("type_id"), 2),
        Some("AWSService") => event.integer(at("type_id"), 4),
        Some("Unknown") | None => {}
        Some(_) => {
            event.integer(at("type_id"), 99);
            event.text_if(at("type"), identity.take_text("type"));
        }
    }
}

/// The last part of an ARN: a user's name, a role session's name, or `root`.
fn name_of(arn: &str) -> Option<&str> {
    arn.rsplit([':', '/']).next().filter(|name| !name.is_empty())
}

fn session(event: &mut EventBuilder, identity: &mut Object<'_>, path: &str) {
    let Some(mut context) = identity.take_object("sessionContext") else { return };
    if let Some(mut issuer) = context.take_object("sessionIssuer") {
        event.text_if([path, ".issuer"].concat(), issuer.take_text("arn"));
        context.put_rest("sessionIssuer", issuer);
    }
    if let Some(mut attributes) = context.take_object("attributes") {
        if let Some(created) = attributes.text("creationDate").and_then(time::rfc3339) {
            event.integer([path, ".created_time"].concat(), created.ms);
            attributes.take("creationDate");
        }
        if let Some(mfa @ ("true" | "false")) = attributes.text("mfaAuthenticated") {
            event.boolean([path, ".is_mfa"].concat(), mfa == "true");
            attributes.take("mfaAuthenticated");
        }
        context.put_rest("attributes", attributes);
    }
    if let Some(mut federation) = context.take_object("webIdFederationData") {
        event.text_if("actor.idp.name", federation.take_text("federatedProvider"));
        context.put_rest("webIdFederationData", federation);
    }
    identity.put_rest("sessionContext", context);
}
