import Config
import Foundation
import Kit

/// How an administrator logs in, as the files that clients read.
public struct Login: Sendable {
  public let authURL: String
  public let region: String
  public let password: Secret

  /// Reads the password that the first start made. Throws a fault when there is no cloud in the folder.
  public init(_ state: StateFolder, _ configuration: Configuration) throws {
    guard let text = try? String(contentsOfFile: state.adminPassword, encoding: .utf8) else {
      throw Fault.notFound("There is no cloud in \(state.path): `martlet up --state \(state.path)` makes one.")
    }
    password = Secret(text.trimmingCharacters(in: .whitespacesAndNewlines))
    authURL = ServicePort.authURL(configuration)
    region = configuration.text("cloud.region")
  }

  /// Variables for `eval`, as openstack's clients read them.
  public var openrc: String {
    let values = [
      ("OS_AUTH_URL", authURL), ("OS_USERNAME", "admin"), ("OS_PASSWORD", password.value), ("OS_PROJECT_NAME", "admin"),
      ("OS_USER_DOMAIN_NAME", "Default"), ("OS_PROJECT_DOMAIN_NAME", "Default"), ("OS_REGION_NAME", region),
      ("OS_IDENTITY_API_VERSION", "3"), ("OS_INTERFACE", "public"),
    ]
    let unset =
      "unset OS_CLOUD OS_TOKEN OS_AUTH_TYPE OS_SYSTEM_SCOPE OS_DOMAIN_NAME OS_DOMAIN_ID OS_PROJECT_ID OS_USER_ID\n"
    return unset + values.map { "export \($0.0)='\($0.1.replacing("'", with: "'\\''"))'\n" }.joined()
  }

  /// A clouds.yaml with one cloud of the given name.
  public func cloudsYAML(name: String) -> String {
    """
    clouds:
      \(name):
        auth:
          auth_url: \(authURL)
          username: admin
          password: "\(password.value)"
          project_name: admin
          user_domain_name: Default
          project_domain_name: Default
        region_name: \(region)
        interface: public
        identity_api_version: 3

    """
  }
}
