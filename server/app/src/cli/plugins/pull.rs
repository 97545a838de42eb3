//! `plugin pull`: a component from an OCI registry, where it is an artifact of the Wasm working group's layout: one layer of the media
//! type `application/wasm`, named by the same digest as the plugin.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cairnlog_ledger::check_plugin_signature;
use cairnlog_verify::entry::Digest;
use cairnlog_verify::note::VerifierKey;
use futures_util::TryStreamExt as _;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use super::inspect::digest_of;
use super::sign;
use crate::cli::exit::Failure;
use crate::config;
use crate::limits::PLUGIN_BYTES_MAX;

/// The annotation of the manifest that holds the signature.
const SIGNATURE: &str = "cairnlog.plugin.signature";

/// Media types of a layer that is a component: that of the working group, and the one that older tools write.
const WASM: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// How long a registry may say nothing.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How long it may take for the manifest, tokens included. The library reads those whole, whatever their size, so time is their bound.
const MANIFEST_MAX: Duration = Duration::from_mins(1);

/// What is pulled, and how.
#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Where it is: REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:HEX.
    reference: String,
    /// Where it goes; its name's last part and `.wasm` if left out.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A public key that must have signed it. May be repeated: then one of them.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// Who asks; the password is `CAIRNLOG_REGISTRY_PASSWORD`. Nobody if left out.
    #[arg(long, value_name = "NAME", env = "CAIRNLOG_REGISTRY_USER")]
    user: Option<String>,
    /// Ask without TLS: for a registry on this machine.
    #[arg(long)]
    plain_http: bool,
}

/// Pulls a component; where it is now, and its digest.
pub(super) async fn pull(args: Args) -> Result<(PathBuf, Digest), Failure> {
    let keys: Vec<VerifierKey> =
        args.key.iter().map(|key| crate::cli::verify::parse_key(key)).collect::<Result<_, _>>()?;
    let reference = reference(&args.reference)?;
    let out = args.out.clone().unwrap_or_else(|| place(&reference));
    let client = client(&args)?;
    let failed = |error: &dyn std::fmt::Display| Failure::cannot_tell(format!("{reference}: {error}"));
    let broke = |error: OciDistributionError| failed(&with_causes(&error));
    let auth = auth(&args)?;
    let asking = tokio::time::timeout(MANIFEST_MAX, client.pull_image_manifest(&reference, &auth));
    let asked =
        asking.await.map_err(|_| failed(&"the registry did not send the manifest within a minute"))?;
    let (manifest, _) = asked.map_err(broke)?;
    let layer = component(&manifest).map_err(|words| failed(&words))?;
    let wasm = read(&client, &reference, layer).await?;
    let digest = digest_of(&wasm);
    if digest.to_string() != layer.digest {
        let words = format!("the registry says {} and sends {digest}", layer.digest);
        return Err(Failure::refused(format!("{reference}: {words}")));
    }
    let signature = manifest.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE));
    let signature = signature.map(|signature| whole_note(signature));
    check(&digest, signature.as_deref(), &keys)?;
    std::fs::write(&out, &wasm).map_err(|error| Failure::file(&out, &error))?;
    match signature {
        Some(signature) => sign::write(&out, &signature)?,
        None => forget_signature(&out)?,
    }
    Ok((out, digest))
}

/// A registry is never guessed: a name alone would be asked of one that nobody has named.
fn reference(text: &str) -> Result<Reference, Failure> {
    let registry = text.split_once('/').map(|(registry, _)| registry).unwrap_or_default();
    if !registry.contains(['.', ':']) && registry != "localhost" {
        let words =
            format!("{text} names no registry: REGISTRY/NAME:TAG, such as ghcr.io/example/door-log:0.1.0");
        return Err(Failure::usage(words));
    }
    text.parse().map_err(|error| Failure::usage(format!("{text}: {error}")))
}

/// An error and what lies behind it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The note with the end of its last line, which shells take from what they substitute.
fn whole_note(signature: &str) -> String {
    format!("{}\n", signature.strip_suffix('\n').unwrap_or(signature))
}

/// A signature that lies there is that of what was there before.
fn forget_signature(out: &Path) -> Result<(), Failure> {
    let place = sign::place(out);
    match std::fs::remove_file(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::file(&place, &error)),
        _ => Ok(()),
    }
}

fn client(args: &Args) -> Result<Client, Failure> {
    let protocol = if args.plain_http { ClientProtocol::Http } else { ClientProtocol::Https };
    let config = ClientConfig {
        protocol,
        // An index of platforms is no component.
        platform_resolver: None,
        read_timeout: Some(WAIT_MAX),
        connect_timeout: Some(WAIT_MAX),
        user_agent: concat!("cairnlog/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| Failure::cannot_tell(error.to_string()))
}

fn auth(args: &Args) -> Result<RegistryAuth, Failure> {
    let Some(user) = &args.user else { return Ok(RegistryAuth::Anonymous) };
    let password = config::env("CAIRNLOG_REGISTRY_PASSWORD").ok_or_else(|| {
        Failure::usage("--user takes its password from the environment: set CAIRNLOG_REGISTRY_PASSWORD")
    })?;
    Ok(RegistryAuth::Basic(user.clone(), password))
}

fn place(reference: &Reference) -> PathBuf {
    let name = reference.repository().rsplit('/').next().unwrap_or("plugin");
    format!("{name}.wasm").into()
}

/// The layer that is the component.
fn component(manifest: &OciImageManifest) -> Result<&OciDescriptor, String> {
    let mut layers = manifest.layers.iter().filter(|layer| WASM.contains(&layer.media_type.as_str()));
    let layer = match (layers.next(), layers.next()) {
        (Some(layer), None) => layer,
        (None, _) => return Err(format!("it has no layer of the media type {}: it is no plugin", WASM[0])),
        (Some(_), Some(_)) => return Err("it has several components; a plugin is one".to_owned()),
    };
    if usize::try_from(layer.size).is_ok_and(|size| size <= PLUGIN_BYTES_MAX) {
        Ok(layer)
    } else {
        Err(format!("it has {} bytes; a plugin has at most {PLUGIN_BYTES_MAX}", layer.size))
    }
}

/// The layer's bytes, whatever the registry says of their number.
async fn read(client: &Client, reference: &Reference, layer: &OciDescriptor) -> Result<Vec<u8>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::cannot_tell(format!("{reference}: {error}"));
    let mut blob = client.pull_blob_stream(reference, layer).await.map_err(|error| failed(&error))?;
    let mut wasm = Vec::new();
    while let Some(part) = blob.stream.try_next().await.map_err(|error| failed(&error))? {
        if wasm.len() + part.len() > PLUGIN_BYTES_MAX {
            return Err(failed(&format!("it has more than {PLUGIN_BYTES_MAX} bytes")));
        }
        wasm.extend_from_slice(&part);
    }
    Ok(wasm)
}

/// Where keys are given, one of them must have signed.
fn check(digest: &Digest, signature: Option<&str>, keys: &[VerifierKey]) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    let signature = signature.ok_or_else(|| {
        Failure::refused(format!("{digest} is not signed: it has no annotation {SIGNATURE}"))
    })?;
    check_plugin_signature(digest, signature, keys)
        .map(drop)
        .map_err(|words| Failure::refused(format!("the signature of {digest}: {words}")))
}
