import FoundationEssentials
import GuestImage
import Host
import Kit

/// The engineering department's first day in the cloud: from a project to a guest that answers SSH, with nothing but the
/// public APIs. What exists already is used, so that it can be run again.
public struct Demo: Sendable {
  let cloud: DemoCloud
  let image: GuestImage?
  let names: DemoNames
  let journal: Journal
  let client = HTTPClient()
  /// The SSH client that it calls.
  var sshProgram = "ssh"

  /// `image` nil is enough for `clean`. `output` gets each line for a person.
  public init(
    cloud: DemoCloud, image: GuestImage?, names: DemoNames = DemoNames(),
    output: @escaping @Sendable (String) -> Void
  ) {
    (self.cloud, self.image, self.names) = (cloud, image, names)
    journal = Journal(output)
  }

  /// Walks the launch flow. Throws a fault with the API's own message where a step is refused, or when the guest does not
  /// answer in time; what was made stays for looking at it.
  public func run() async throws -> DemoResult {
    guard let image else { throw Fault.badRequest("the demonstration needs a guest image") }
    do {
      let result = try await walk(image)
      await client.close()
      return result
    } catch {
      await client.close()
      throw error
    }
  }

  private func walk(_ image: GuestImage) async throws -> DemoResult {
    try HostFiles.makeFolder(directory, mode: 0o700)
    journal.heading("The administrator prepares")
    let admin = try await logIn("administrator \(cloud.username)", administratorLogin)
    let imageID = try await provideImage(admin, image)
    let flavorID = try await provideFlavor(admin, image)
    let password = try await provideProject(admin)
    journal.heading("\(names.user) of \(names.project) goes to work")
    let user = try await logIn(names.user, userLogin(password))
    let network = try await provideNetwork(user)
    try await provideSecurityGroup(user)
    try await provideKeyPair(user)
    let server = try await provideServer(user, image: imageID, flavor: flavorID, network: network.id)
    let address = try await provideFloatingIP(user, server: server, external: network.external)
    journal.heading("The guest")
    let guest = GuestLogin(
      user: image.user, address: address, key: keyPath, folder: directory, namespace: cloud.namespace,
      program: sshProgram)
    try await waitForSSH(user, guest, server: server)
    try await lookAround(user, guest, server: server)
    let result = DemoResult(
      serverID: server, address: address, sshCommand: cloud.shownPrefix + guest.command, steps: journal.all,
      seconds: journal.seconds)
    summarize(result, image, password)
    return result
  }

  private func summarize(_ result: DemoResult, _ image: GuestImage, _ password: Secret) {
    journal.heading("Done: from nothing to a guest that answers SSH in \(Int(result.seconds.rounded())) s.")
    journal.plain("  the guest      \(names.server), \(result.serverID), at \(result.address)")
    journal.plain("  log in         \(result.sshCommand.joined(separator: " "))")
    journal.plain("  its console    user \(image.user), password \(image.password)")
    journal.plain("  the user       \(names.user) of project \(names.project); the password is in \(passwordPath)")
  }

  // MARK: - Who

  func logIn(_ who: String, _ login: Session.Login) async throws -> Session {
    try await journal.step("log in as \(who)") {
      let session = Session(login, client: client)
      try await session.authenticate()
      return ("\(await session.catalog.count) services in the catalog", session)
    }
  }

  var administratorLogin: Session.Login {
    Session.Login(
      authURL: cloud.authURL, username: cloud.username, password: cloud.password, project: cloud.project,
      domain: cloud.domain, region: cloud.region)
  }

  func userLogin(_ password: Secret) -> Session.Login {
    Session.Login(
      authURL: cloud.authURL, username: names.user, password: password, project: names.project, domain: cloud.domain,
      region: cloud.region)
  }

  var directory: String { cloud.directory }
  var passwordPath: String { directory + "/password" }
  var keyPath: String { directory + "/id_ecdsa" }

  /// Repeats `attempt` until it returns a value; a fault that says what was waited for when that takes longer than
  /// `deadline`.
  func wait<T: Sendable>(
    _ what: String, deadline: Duration, every pause: Duration = .milliseconds(500), _ attempt: () async throws -> T?
  ) async throws -> T {
    let end = ContinuousClock.now + deadline
    while true {
      if let value = try await attempt() { return value }
      guard ContinuousClock.now < end else {
        throw Fault(504, "\(what) took longer than \(deadline.components.seconds) s")
      }
      try await Task.sleep(for: pause)
    }
  }
}
