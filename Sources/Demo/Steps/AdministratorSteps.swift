import GuestImage
import Host
import Kit

extension Demo {
  static let mark = "made by martlet demo"

  // MARK: - Images

  /// The guest's disk in Image, with the kernel and RAM disk that start it, visible to all; uploaded when absent.
  func provideImage(_ admin: Session, _ image: GuestImage) async throws -> String {
    if let id = try await newestImage(admin, names.image, image.fingerprint) {
      return try await journal.step("image \(names.image)") { ("is there, \(id)", id) }
    }
    for old in try await admin.list("image", "/images", "images", [("name", names.image), ("visibility", "public")]) {
      guard let id = old["id"]?.string, old["martlet_fingerprint"] != nil else { continue }
      _ = try await admin.call(
        "PATCH", "image", "/images/\(id)", .json([["op": "replace", "path": "/os_hidden", "value": true]]),
        contentType: "application/openstack-images-v2.1-json-patch")
    }
    let kernel = try await upload(admin, image.kernel, "\(names.image)-kernel", format: "aki", image)
    let ramdisk = try await upload(admin, image.initrd, "\(names.image)-ramdisk", format: "ari", image)
    var properties = image.properties
    (properties["kernel_id"], properties["ramdisk_id"]) = (kernel, ramdisk)
    return try await upload(admin, image.disk, names.image, format: "qcow2", image, properties: properties)
  }

  private func newestImage(_ admin: Session, _ name: String, _ fingerprint: String) async throws -> String? {
    let found = try await admin.list("image", "/images", "images", [("name", name), ("status", "active")])
    return found.first { $0["martlet_fingerprint"]?.string == fingerprint }?["id"]?.string
  }

  private func upload(
    _ admin: Session, _ path: String, _ name: String, format: String, _ image: GuestImage,
    properties: [String: String] = [:]
  ) async throws -> String {
    guard let size = HostFiles.size(path) else { throw Fault.notFound("\(path) is not there; build the image again") }
    if let id = try await newestImage(admin, name, image.fingerprint) { return id }
    journal.tell("uploading \(name): \(size >> 20) MiB")
    return try await journal.step("image \(name)") {
      var body: JSONObject = [
        "name": .string(name), "disk_format": .string(format),
        "container_format": .string(format == "qcow2" ? "bare" : format), "visibility": "public",
        "martlet_fingerprint": .string(image.fingerprint),
      ]
      if format == "qcow2" {
        body["min_ram"] = .int(image.minRAMMB)
        body["min_disk"] = .int(image.minDiskGB)
      }
      for property in properties.sorted(by: { $0.key < $1.key }) { body[property.key] = .string(property.value) }
      let made = try await admin.call("POST", "image", "/images", .json(.object(body)))
      let id = try Self.id(made)
      do {
        _ = try await admin.call(
          "PUT", "image", "/images/\(id)/file", .file(path, size: size), deadline: .seconds(600))
      } catch {
        _ = try? await admin.call("DELETE", "image", "/images/\(id)")
        throw error
      }
      let shown = try await admin.call("GET", "image", "/images/\(id)")
      guard shown["status"]?.string == "active" else {
        throw Fault.internal("image \(name) is '\(shown["status"]?.string ?? "")' after its upload, not active")
      }
      return ("\(size >> 20) MiB stored, \(id)", id)
    }
  }

  // MARK: - Flavor

  func provideFlavor(_ admin: Session, _ image: GuestImage) async throws -> String {
    try await journal.step("flavor \(names.flavor)") {
      let flavors = try await admin.list("compute", "/flavors/detail", "flavors")
      if let flavor = flavors.first(where: { $0["name"]?.string == names.flavor }) {
        return ("is there: \(flavor["ram"]?.int ?? 0) MiB of memory", try Self.id(flavor))
      }
      let body: JSONValue = [
        "flavor": [
          "name": .string(names.flavor), "ram": 128, "vcpus": 1, "disk": 1, "description": .string(Self.mark),
        ]
      ]
      let made = try await admin.call("POST", "compute", "/flavors", .json(body))
      return ("made: 128 MiB of memory, 1 GB of disk", try Self.id(made["flavor"]))
    }
  }

  // MARK: - Project, user, quotas

  /// Returns the user's password.
  func provideProject(_ admin: Session) async throws -> Secret {
    let domain: (String, String) = ("domain_id", await admin.domainID)
    let project = try await journal.step("project \(names.project)") {
      let found = try await admin.list("identity", "/projects", "projects", [("name", names.project), domain])
      if let id = found.first?["id"]?.string { return ("is there, \(id)", id) }
      let body: JSONValue = [
        "project": [
          "name": .string(names.project), "domain_id": .string(domain.1), "description": .string(Self.mark),
        ]
      ]
      let id = try Self.id(try await admin.call("POST", "identity", "/projects", .json(body))["project"])
      return ("made, \(id)", id)
    }
    let (user, password) = try await provideUser(admin, domain: domain.1)
    try await journal.step("role member for \(names.user)") {
      let roles = try await admin.list("identity", "/roles", "roles", [("name", "member")])
      let role = try Self.id(roles.first)
      _ = try await admin.call("PUT", "identity", "/projects/\(project)/users/\(user)/roles/\(role)")
      return ("in \(names.project)", ())
    }
    try await setQuotas(admin, project)
    return password
  }

  private func provideUser(_ admin: Session, domain: String) async throws -> (id: String, password: Secret) {
    try await journal.step("user \(names.user)") {
      let found = try await admin.list(
        "identity", "/users", "users", [("name", names.user), ("domain_id", domain)])
      let kept = try? HostFiles.read(passwordPath, limit: 4096)
      if let id = found.first?["id"]?.string {
        if let kept { return ("is there, \(id)", (id, Secret(String(decoding: kept, as: UTF8.self)))) }
        let password = try newPassword()
        _ = try await admin.call(
          "PATCH", "identity", "/users/\(id)", .json(["user": ["password": .string(password.value)]]))
        return ("is there, \(id); has a new password", (id, password))
      }
      let password = try newPassword()
      let body: JSONValue = [
        "user": [
          "name": .string(names.user), "domain_id": .string(domain), "password": .string(password.value),
          "description": .string(Self.mark),
        ]
      ]
      let id = try Self.id(try await admin.call("POST", "identity", "/users", .json(body))["user"])
      return ("made, \(id)", (id, password))
    }
  }

  private func newPassword() throws -> Secret {
    let password = Secret.random(bytes: 16)
    try HostFiles.writeAtomically(passwordPath, Array(password.value.utf8), mode: 0o600)
    return password
  }

  private func setQuotas(_ admin: Session, _ project: String) async throws {
    try await journal.step("quotas") {
      let compute: JSONValue = ["quota_set": ["instances": 10, "cores": 20, "ram": 8192]]
      _ = try await admin.call("PUT", "compute", "/os-quota-sets/\(project)", .json(compute))
      let network: JSONValue = [
        "quota": ["network": 10, "subnet": 10, "router": 5, "port": 100, "floatingip": 10, "security_group": 10]
      ]
      _ = try await admin.call("PUT", "network", "/quotas/\(project)", .json(network))
      return ("10 servers, 20 processors, 8 GiB; 10 networks, 5 routers, 10 floating IPs", ())
    }
  }

  /// The id of something that an API returned.
  static func id(_ resource: JSONValue?) throws -> String {
    guard let id = resource?["id"]?.string else {
      throw Fault.internal("the API's answer has no id: \((resource ?? .null).text.prefix(200))")
    }
    return id
  }
}
