//! OpenID Connect identity providers, as IAM roles for service accounts need them.

use serde_json::{Value, json};

use super::{Tags, exists, no_such, quota, required, tag_list, tag_pairs, tags};
use crate::{call::Args, error::ApiError, inventory::Inventory, world::World};

#[derive(Clone, Debug)]
pub(super) struct Provider {
    arn: String,
    /// Without scheme, as IAM keeps it.
    url: String,
    clients: Vec<String>,
    thumbprints: Vec<String>,
    created: String,
    tags: Tags,
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let url = required(args, "Url")?;
    let Some(host) = url.strip_prefix("https://").filter(|host| !host.is_empty() && !host.contains('?')) else {
        return Err(ApiError::new("ValidationError", "Invalid Open ID Connect Provider URL"));
    };
    let thumbprints = args.strings("ThumbprintList");
    if thumbprints.iter().any(|print| print.len() != 40 || !print.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err(ApiError::new("InvalidInput", "Thumbprint must be a 40-character hexadecimal string."));
    }
    let tags = tags(args)?;
    let arn = format!("arn:aws:iam::{}:oidc-provider/{host}", world.account);
    if world.iam.oidc_providers.contains_key(&arn) {
        return Err(exists(format!("Provider with url {url} already exists.")));
    }
    if world.iam.oidc_providers.len() >= 100 {
        return Err(quota("OpenIdConnectProvidersPerAccount", 100));
    }
    // Without a thumbprint IAM fetches that of the top intermediate authority (API reference, CreateOpenIDConnectProvider).
    let thumbprints = if thumbprints.is_empty() { vec![world.draw.hex("thumbprint", 40)] } else { thumbprints };
    let provider = Provider {
        arn: arn.clone(),
        url: host.to_owned(),
        clients: args.strings("ClientIDList"),
        thumbprints,
        created: world.timestamp(),
        tags,
    };
    let told = (!provider.tags.is_empty()).then(|| tag_list(&provider.tags));
    world.iam.oidc_providers.insert(arn.clone(), provider);
    Ok(json!({"OpenIDConnectProviderArn": arn, "Tags": told}))
}

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    let arn = required(args, "OpenIDConnectProviderArn")?;
    let provider = world.iam.oidc_providers.get(arn).ok_or_else(|| no_such(format!("OpenIDConnect Provider not found for arn {arn}")))?;
    Ok(json!({
        "Url": provider.url,
        "ClientIDList": provider.clients,
        "ThumbprintList": provider.thumbprints,
        "CreateDate": provider.created,
        "Tags": tag_list(&provider.tags),
    }))
}

/// Deleting one that does not exist succeeds (API reference: "does not return an error").
pub(super) fn delete(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    world.iam.oidc_providers.remove(required(args, "OpenIDConnectProviderArn")?);
    Ok(json!({}))
}

pub(super) fn list(world: &World) -> Result<Value, ApiError> {
    let list: Vec<Value> = world.iam.oidc_providers.keys().map(|arn| json!({"Arn": arn})).collect();
    Ok(json!({"OpenIDConnectProviderList": list}))
}

pub(super) fn inventory(world: &World, inventory: &mut Inventory) {
    for provider in world.iam.oidc_providers.values() {
        inventory.push("iam/oidc-provider", &provider.arn, tag_pairs(&provider.tags), "", 0.0);
    }
}
