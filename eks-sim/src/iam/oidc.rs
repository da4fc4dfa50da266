//! OpenID Connect identity providers, as IAM roles for service accounts need them.

use serde_json::{Value, json};

use super::{Tags, exists, no_such, page, quota, required, tag_list, tag_pairs, tags};
use crate::{call::Args, error::ApiError, inventory::Inventory, world::World};

#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) arn: String,
    /// Without scheme, as IAM keeps it.
    url: String,
    clients: Vec<String>,
    thumbprints: Vec<String>,
    created: String,
    tags: Tags,
}

impl Provider {
    /// Whether tokens for an audience (IAM says client ID) are accepted.
    pub(super) fn serves(&self, audience: &str) -> bool {
        self.clients.iter().any(|client| client == audience)
    }
}

/// The provider for an issuer.
pub(super) fn by_url<'a>(world: &'a World, issuer: &str) -> Option<&'a Provider> {
    let url = issuer.strip_prefix("https://")?;
    world.iam.oidc_providers.values().find(|provider| provider.url == url)
}

fn find<'a>(world: &'a World, args: &Args) -> Result<&'a Provider, ApiError> {
    let arn = named(args)?;
    world.iam.oidc_providers.get(arn).ok_or_else(|| missing(arn))
}

fn find_mut<'a>(world: &'a mut World, args: &Args) -> Result<&'a mut Provider, ApiError> {
    let arn = named(args)?;
    world.iam.oidc_providers.get_mut(arn).ok_or_else(|| missing(arn))
}

fn named(args: &Args) -> Result<&str, ApiError> {
    let arn = required(args, "OpenIDConnectProviderArn")?;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let fine = matches!(parts.as_slice(), ["arn", _, "iam", "", _, rest] if rest.starts_with("oidc-provider/"));
    if fine { Ok(arn) } else { Err(ApiError::new("InvalidInput", format!("Invalid ARN: {arn}"))) }
}

fn missing(arn: &str) -> ApiError {
    no_such(format!("OpenIDConnect Provider not found for arn {arn}"))
}

/// API reference, CreateOpenIDConnectProvider: at most 100 client IDs of 1–255 characters.
fn check_clients(clients: &[String]) -> Result<(), ApiError> {
    if clients.len() > 100 {
        return Err(quota("ClientIdsPerOpenIdConnectProvider", 100));
    }
    match clients.iter().find(|client| !(1..=255).contains(&client.len())) {
        Some(client) => Err(ApiError::new("ValidationError", format!("The client ID '{client}' has not 1 to 255 characters."))),
        None => Ok(()),
    }
}

/// At most five, each of 40 hexadecimal digits.
fn check_thumbprints(thumbprints: &[String]) -> Result<(), ApiError> {
    if thumbprints.iter().any(|print| print.len() != 40 || !print.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err(ApiError::new("InvalidInput", "Thumbprint must be a 40-character hexadecimal string."));
    }
    if thumbprints.len() > 5 {
        return Err(ApiError::new("InvalidInput", "Thumbprint list must contain fewer than 5 entries."));
    }
    Ok(())
}

pub(super) fn create(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let url = required(args, "Url")?;
    let Some(host) = url.strip_prefix("https://").filter(|host| !host.is_empty() && !host.contains('?')) else {
        return Err(ApiError::new("ValidationError", "Invalid Open ID Connect Provider URL"));
    };
    let (thumbprints, clients) = (args.strings("ThumbprintList"), args.strings("ClientIDList"));
    check_thumbprints(&thumbprints)?;
    check_clients(&clients)?;
    let tags = tags(args)?;
    let arn = format!("arn:aws:iam::{}:oidc-provider/{host}", world.account);
    if world.iam.oidc_providers.contains_key(&arn) {
        return Err(exists(format!("Provider with url {url} already exists.")));
    }
    let most = 100 * world.quota_factor;
    if world.iam.oidc_providers.len() >= most {
        return Err(quota("OpenIdConnectProvidersPerAccount", most));
    }
    // Without a thumbprint IAM fetches that of the top intermediate authority (API reference, CreateOpenIDConnectProvider).
    let thumbprints = if thumbprints.is_empty() { vec![world.draw.hex("thumbprint", 40)] } else { thumbprints };
    let provider = Provider { arn: arn.clone(), url: host.to_owned(), clients, thumbprints, created: world.timestamp(), tags };
    let told = (!provider.tags.is_empty()).then(|| tag_list(&provider.tags));
    world.iam.oidc_providers.insert(arn.clone(), provider);
    Ok(json!({"OpenIDConnectProviderArn": arn, "Tags": told}))
}

pub(super) fn get(world: &World, args: &Args) -> Result<Value, ApiError> {
    let provider = find(world, args)?;
    Ok(json!({
        "Url": provider.url,
        "ClientIDList": provider.clients,
        "ThumbprintList": provider.thumbprints,
        "CreateDate": provider.created,
        "Tags": tag_list(&provider.tags),
    }))
}

/// Adding one that is there already is no error (API reference, AddClientIDToOpenIDConnectProvider).
pub(super) fn add_client(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let client = required(args, "ClientID")?.to_owned();
    let provider = find_mut(world, args)?;
    let mut clients = provider.clients.clone();
    if !clients.contains(&client) {
        clients.push(client);
    }
    check_clients(&clients)?;
    provider.clients = clients;
    Ok(json!({}))
}

/// Removing one that is not there is no error (API reference, RemoveClientIDFromOpenIDConnectProvider).
pub(super) fn remove_client(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let client = required(args, "ClientID")?.to_owned();
    find_mut(world, args)?.clients.retain(|known| *known != client);
    Ok(json!({}))
}

pub(super) fn update_thumbprints(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let thumbprints = args.strings("ThumbprintList");
    check_thumbprints(&thumbprints)?;
    find_mut(world, args)?.thumbprints = thumbprints;
    Ok(json!({}))
}

pub(super) fn tag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let added = tags(args)?;
    let provider = find_mut(world, args)?;
    let mut all = provider.tags.clone();
    all.extend(added);
    if all.len() > 50 {
        return Err(quota("TagsPerOpenIDConnectProvider", 50));
    }
    provider.tags = all;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, args: &Args) -> Result<Value, ApiError> {
    let provider = find_mut(world, args)?;
    for key in args.strings("TagKeys") {
        provider.tags.remove(&key);
    }
    Ok(json!({}))
}

pub(super) fn list_tags(world: &World, args: &Args) -> Result<Value, ApiError> {
    page("Tags", tag_list(&find(world, args)?.tags), args)
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
