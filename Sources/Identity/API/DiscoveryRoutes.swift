import API
import Kit

extension IdentityService {
  /// Which versions there are (API reference, API versions), and with `Accept: application/json-home` what they offer.
  func discoveryRoutes(_ routes: [Route]) -> [Route] {
    let served = Set(routes.map { Self.shape($0.pattern) })
    let home = JSONHome(isServed: { served.contains(Self.shape("/v3" + $0)) })
    return [
      Route("GET", "/", .open) { call in
        if Self.wantsHome(call) { return home.reply(prefix: "/v3") }
        return .json(
          ["versions": ["values": [Self.version(call)]]], status: 300,
          headers: ["Location": call.baseURL + "/v3/", "Vary": "Accept"])
      },
      Route("GET", "/v3", .open) { call in
        if Self.wantsHome(call) { return home.reply(prefix: "") }
        return .json(["version": Self.version(call)], headers: ["Vary": "Accept"])
      },
    ]
  }

  /// A pattern without the names of its variables.
  private static func shape(_ pattern: String) -> String {
    pattern.split(separator: "/").map { $0.hasPrefix("{") ? "{}" : String($0) }.joined(separator: "/")
  }

  private static func wantsHome(_ call: Call) -> Bool {
    let accepted = call.http.headers["Accept"] ?? ""
    return accepted.contains("application/json-home") && !accepted.contains("application/json,")
  }

  private static func version(_ call: Call) -> JSONValue {
    [
      "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
      "links": [["rel": "self", "href": .string(call.baseURL + "/v3/")]],
      "media-types": [["base": "application/json", "type": "application/vnd.openstack.identity-v3+json"]],
    ]
  }
}

/// The JSON Home document (draft-nottingham-json-home-03): relations to the resources that are served.
struct JSONHome: Sendable {
  private static let base = "https://docs.openstack.org/api/openstack-identity/3/"
  /// Variables that belong to an extension.
  private static let extensionVariables = [
    "endpoint_group_id": "OS-EP-FILTER", "consumer_id": "OS-OAUTH1", "trust_id": "OS-TRUST", "idp_id": "OS-FEDERATION",
    "protocol_id": "OS-FEDERATION", "mapping_id": "OS-FEDERATION", "service_provider_id": "OS-FEDERATION",
  ]
  /// Variables that the document names otherwise.
  private static let renamed = [
    "group": "config_group", "option": "config_option", "value": "tag_value", "prior_role_id": "role_id",
    "implied_role_id": "role_id",
  ]
  private static let experimental: Set<String> = [
    "limits", "limit", "limit_model", "registered_limits", "registered_limit",
  ]

  private let resources: [(relation: String, path: String)]

  init(isServed: (String) -> Bool) {
    resources = Self.relations.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " ").map(String.init)
      return parts.count == 2 && isServed(parts[1]) ? (parts[0], parts[1]) : nil
    }
  }

  func reply(prefix: String) -> Reply {
    var all = JSONObject()
    for (relation, path) in resources { all.append(Self.url(relation), Self.entry(relation, path, prefix)) }
    let document: JSONValue = ["resources": .object(all)]
    return Reply(200, .bytes(document.bytes, contentType: "application/json-home"), headers: ["Vary": "Accept"])
  }

  /// `name`, or `EXTENSION:name`.
  private static func url(_ relation: String) -> String {
    let parts = relation.split(separator: ":")
    return parts.count == 2 ? "\(base)ext/\(parts[0])/1.0/rel/\(parts[1])" : "\(base)rel/\(relation)"
  }

  private static func entry(_ relation: String, _ path: String, _ prefix: String) -> JSONValue {
    let variables = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    var entry: JSONObject = [(variables.isEmpty ? "href" : "href-template"): .string(prefix + path)]
    if !variables.isEmpty {
      entry["href-vars"] = .object(
        JSONObject(
          variables.map { name in
            let place = extensionVariables[name].map { "ext/\($0)/1.0/param/" } ?? "param/"
            return (name, .string(base + place + (renamed[name] ?? name)))
          }))
    }
    if experimental.contains(relation) { entry["hints"] = ["status": "experimental"] }
    return .object(entry)
  }

  private static let relations = """
    auth_projects /auth/projects
    auth_domains /auth/domains
    auth_system /auth/system
    auth_catalog /auth/catalog
    auth_tokens /auth/tokens
    credentials /credentials
    credential /credentials/{credential_id}
    domains /domains
    domain /domains/{domain_id}
    domain_config /domains/{domain_id}/config
    domain_config_group /domains/{domain_id}/config/{group}
    domain_config_option /domains/{domain_id}/config/{group}/{option}
    domain_config_default /domains/config/default
    domain_config_default_group /domains/config/{group}/default
    domain_config_default_option /domains/config/{group}/{option}/default
    domain_user_roles /domains/{domain_id}/users/{user_id}/roles
    domain_user_role /domains/{domain_id}/users/{user_id}/roles/{role_id}
    domain_group_roles /domains/{domain_id}/groups/{group_id}/roles
    domain_group_role /domains/{domain_id}/groups/{group_id}/roles/{role_id}
    endpoints /endpoints
    endpoint /endpoints/{endpoint_id}
    groups /groups
    group /groups/{group_id}
    group_users /groups/{group_id}/users
    group_user /groups/{group_id}/users/{user_id}
    limits /limits
    limit /limits/{limit_id}
    limit_model /limits/model
    OS-EP-FILTER:endpoint_groups /OS-EP-FILTER/endpoint_groups
    OS-EP-FILTER:endpoint_group /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}
    OS-EP-FILTER:endpoint_projects /OS-EP-FILTER/endpoints/{endpoint_id}/projects
    OS-EP-FILTER:project_endpoint /OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}
    OS-EP-FILTER:project_endpoints /OS-EP-FILTER/projects/{project_id}/endpoints
    OS-EP-FILTER:project_endpoint_groups /OS-EP-FILTER/projects/{project_id}/endpoint_groups
    OS-EP-FILTER:endpoints_in_endpoint_group /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints
    OS-EP-FILTER:projects_associated_with_endpoint_group /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects
    OS-EP-FILTER:endpoint_group_to_project_association \
    /OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}
    OS-ENDPOINT-POLICY:endpoint_policy /endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy
    OS-ENDPOINT-POLICY:policy_endpoints /policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints
    OS-ENDPOINT-POLICY:endpoint_policy_association \
    /policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints/{endpoint_id}
    OS-ENDPOINT-POLICY:service_policy_association \
    /policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}
    OS-ENDPOINT-POLICY:region_and_service_policy_association \
    /policies/{policy_id}/OS-ENDPOINT-POLICY/services/{service_id}/regions/{region_id}
    OS-FEDERATION:projects /OS-FEDERATION/projects
    OS-FEDERATION:domains /OS-FEDERATION/domains
    OS-FEDERATION:identity_providers /OS-FEDERATION/identity_providers
    OS-FEDERATION:identity_provider /OS-FEDERATION/identity_providers/{idp_id}
    OS-FEDERATION:identity_provider_protocols /OS-FEDERATION/identity_providers/{idp_id}/protocols
    OS-FEDERATION:identity_provider_protocol /OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}
    OS-FEDERATION:identity_provider_protocol_auth \
    /OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth
    OS-FEDERATION:mappings /OS-FEDERATION/mappings
    OS-FEDERATION:mapping /OS-FEDERATION/mappings/{mapping_id}
    OS-FEDERATION:service_providers /OS-FEDERATION/service_providers
    OS-FEDERATION:service_provider /OS-FEDERATION/service_providers/{service_provider_id}
    OS-FEDERATION:metadata /OS-FEDERATION/saml2/metadata
    OS-FEDERATION:websso /auth/OS-FEDERATION/websso/{protocol_id}
    OS-FEDERATION:identity_providers_websso \
    /auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso
    OS-FEDERATION:saml2 /auth/OS-FEDERATION/saml2
    OS-FEDERATION:ecp /auth/OS-FEDERATION/saml2/ecp
    OS-PKI:revocations /auth/tokens/OS-PKI/revoked
    OS-REVOKE:events /OS-REVOKE/events
    OS-SIMPLE-CERT:ca_certificate /OS-SIMPLE-CERT/ca
    OS-SIMPLE-CERT:certificates /OS-SIMPLE-CERT/certificates
    OS-EC2:ec2tokens /ec2tokens
    s3tokens:s3tokens /s3tokens
    OS-INHERIT:domain_group_role_inherited_to_projects \
    /OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects
    OS-INHERIT:domain_group_roles_inherited_to_projects \
    /OS-INHERIT/domains/{domain_id}/groups/{group_id}/roles/inherited_to_projects
    OS-INHERIT:domain_user_role_inherited_to_projects \
    /OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/{role_id}/inherited_to_projects
    OS-INHERIT:domain_user_roles_inherited_to_projects \
    /OS-INHERIT/domains/{domain_id}/users/{user_id}/roles/inherited_to_projects
    OS-INHERIT:project_user_role_inherited_to_projects \
    /OS-INHERIT/projects/{project_id}/users/{user_id}/roles/{role_id}/inherited_to_projects
    OS-INHERIT:project_group_role_inherited_to_projects \
    /OS-INHERIT/projects/{project_id}/groups/{group_id}/roles/{role_id}/inherited_to_projects
    OS-OAUTH1:consumers /OS-OAUTH1/consumers
    OS-OAUTH1:consumer /OS-OAUTH1/consumers/{consumer_id}
    OS-OAUTH1:request_tokens /OS-OAUTH1/request_token
    OS-OAUTH1:access_tokens /OS-OAUTH1/access_token
    OS-OAUTH1:authorize_request_token /OS-OAUTH1/authorize/{request_token_id}
    OS-OAUTH2:token /OS-OAUTH2/token
    policies /policies
    policy /policies/{policy_id}
    projects /projects
    project /projects/{project_id}
    project_tags /projects/{project_id}/tags/{value}
    project_user_role /projects/{project_id}/users/{user_id}/roles/{role_id}
    project_user_roles /projects/{project_id}/users/{user_id}/roles
    project_group_role /projects/{project_id}/groups/{group_id}/roles/{role_id}
    project_group_roles /projects/{project_id}/groups/{group_id}/roles
    regions /regions
    region /regions/{region_id}
    registered_limits /registered_limits
    registered_limit /registered_limits/{registered_limit_id}
    role_assignments /role_assignments
    role_inferences /role_inferences
    roles /roles
    role /roles/{role_id}
    implied_roles /roles/{prior_role_id}/implies
    implied_role /roles/{prior_role_id}/implies/{implied_role_id}
    services /services
    service /services/{service_id}
    system_user_roles /system/users/{user_id}/roles
    system_user_role /system/users/{user_id}/roles/{role_id}
    system_group_roles /system/groups/{group_id}/roles
    system_group_role /system/groups/{group_id}/roles/{role_id}
    OS-TRUST:trusts /OS-TRUST/trusts
    OS-TRUST:trust /OS-TRUST/trusts/{trust_id}
    OS-TRUST:trust_roles /OS-TRUST/trusts/{trust_id}/roles
    OS-TRUST:trust_role /OS-TRUST/trusts/{trust_id}/roles/{role_id}
    users /users
    user /users/{user_id}
    user_change_password /users/{user_id}/password
    user_groups /users/{user_id}/groups
    user_projects /users/{user_id}/projects
    OS-EC2:user_credentials /users/{user_id}/credentials/OS-EC2
    OS-EC2:user_credential /users/{user_id}/credentials/OS-EC2/{credential_id}
    OS-OAUTH1:user_access_tokens /users/{user_id}/OS-OAUTH1/access_tokens
    OS-OAUTH1:user_access_token /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}
    OS-OAUTH1:user_access_token_roles /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles
    OS-OAUTH1:user_access_token_role /users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}/roles/{role_id}
    application_credentials /users/{user_id}/application_credentials
    application_credential /users/{user_id}/application_credentials/{application_credential_id}
    access_rules /users/{user_id}/access_rules
    access_rule /users/{user_id}/access_rules/{access_rule_id}
    user_tokens /users/{user_id}/tokens
    """
}
