import FoundationEssentials
import Host
import Kit

extension Demo {
  /// Runs once in the guest; its lines are on the console.
  static let userData = """
    #!/bin/sh
    echo "Hello from $(hostname), which is $(uname -srm)."
    """

  func provideKeyPair(_ user: Session) async throws {
    try await journal.step("key pair \(names.keyPair)") {
      let isNew = !HostFiles.exists(keyPath)
      if isNew {
        try HostFiles.remove(keyPath + ".pub")
        _ = try await Command(
          "ssh-keygen", ["-q", "-t", "ecdsa", "-N", "", "-C", "\(names.user)@\(names.project)", "-f", keyPath]
        ).check()
      }
      let text = String(decoding: try HostFiles.read(keyPath + ".pub", limit: 16384), as: UTF8.self)
      let key = text.split(separator: "\n").first.map(String.init) ?? ""
      if let old = try await user.find("compute", "/os-keypairs/\(names.keyPair)") {
        if old["keypair"]?["public_key"]?.string?.hasPrefix(key.prefix { $0 != "@" }) == true {
          return ("is there", ())
        }
        _ = try await user.call("DELETE", "compute", "/os-keypairs/\(names.keyPair)")
      }
      let body: JSONValue = ["keypair": ["name": .string(names.keyPair), "public_key": .string(key), "type": "ssh"]]
      _ = try await user.call("POST", "compute", "/os-keypairs", .json(body))
      return ("made; the private key is \(keyPath)", ())
    }
  }

  // MARK: - Server

  func provideServer(_ user: Session, image: String, flavor: String, network: String) async throws -> String {
    if let server = try await findServer(user) {
      let id = try Self.id(server)
      try await wake(user, server, id)
      return id
    }
    let id = try await journal.step("server \(names.server)") {
      let body: JSONValue = [
        "server": [
          "name": .string(names.server), "imageRef": .string(image), "flavorRef": .string(flavor),
          "networks": [["uuid": .string(network)]], "key_name": .string(names.keyPair),
          "security_groups": [["name": .string(names.securityGroup)]],
          "user_data": .string(Data(Self.userData.utf8).base64EncodedString()),
        ]
      ]
      let id = try Self.id(try await user.call("POST", "compute", "/servers", .json(body))["server"])
      return ("asked for, \(id)", id)
    }
    try await waitForActive(user, id)
    return id
  }

  func findServer(_ user: Session) async throws -> JSONValue? {
    // The name is a regular expression in this filter.
    let found = try await user.list("compute", "/servers/detail", "servers", [("name", "^\(names.server)$")])
    return found.first { $0["name"]?.string == names.server }
  }

  /// Brings a server of an earlier run back to work.
  private func wake(_ user: Session, _ server: JSONValue, _ id: String) async throws {
    switch server["status"]?.string {
    case "ACTIVE": try await journal.step("server \(names.server)") { ("is there, \(id)", ()) }
    case "SHUTOFF":
      _ = try await user.call("POST", "compute", "/servers/\(id)/action", .json(["os-start": nil]))
      try await waitForActive(user, id)
    case "ERROR":
      throw Fault.conflict(
        "server \(names.server) of an earlier run is in ERROR: \(Self.explanation(server)). Remove it with --clean first."
      )
    default: try await waitForActive(user, id)
    }
  }

  private func waitForActive(_ user: Session, _ id: String) async throws {
    var told = ""
    try await journal.step("server \(names.server) becomes ACTIVE") {
      let host = try await wait("starting \(names.server)", deadline: .seconds(300), every: .milliseconds(100)) {
        let server = try await user.call("GET", "compute", "/servers/\(id)")["server"] ?? .null
        let status = server["status"]?.string ?? ""
        if status == "ACTIVE" { return server["OS-EXT-AZ:availability_zone"]?.string ?? "" }
        if status == "ERROR" {
          throw Fault.internal("\(names.server) could not be started: \(Self.explanation(server))")
        }
        let state = server["OS-EXT-STS:task_state"]?.string ?? status
        if state != told {
          told = state
          journal.tell("  \(status.lowercased()): \(state)")
        }
        return nil
      }
      return (host.isEmpty ? "done" : "in zone \(host)", ())
    }
  }

  private static func explanation(_ server: JSONValue) -> String {
    let fault = server["fault"]
    return [fault?["message"]?.string, fault?["details"]?.string].compactMap { $0 }.joined(separator: "; ")
  }

  // MARK: - In the guest

  func waitForSSH(_ user: Session, _ guest: GuestLogin, server: String) async throws {
    try guest.forgetHostKeys()
    try await journal.step("SSH at \(guest.address)") {
      var seen = 0
      var problem = ""
      do {
        try await wait("waiting for SSH at \(guest.address)", deadline: .seconds(240)) {
          let output = try await guest.run(["true"])
          if output.status == 0 { return () }
          problem = Self.printable(String(decoding: output.stderr, as: UTF8.self)).joined(separator: "; ")
          seen = try await quoteConsole(user, server, after: seen)
          return nil
        }
      } catch let fault as Fault where fault.status == 504 {
        throw Fault(504, "\(fault.message); ssh said: \(problem.isEmpty ? "nothing" : problem)")
      }
      return ("answers", ())
    }
  }

  /// Tells the newest line of the console when there is one; returns how many lines there are.
  private func quoteConsole(_ user: Session, _ server: String, after seen: Int) async throws -> Int {
    let lines = try await consoleLines(user, server)
    if lines.count > seen, let last = lines.last { journal.quote("console: \(last)") }
    return max(seen, lines.count)
  }

  private func consoleLines(_ user: Session, _ server: String) async throws -> [String] {
    let answer = try await user.call(
      "POST", "compute", "/servers/\(server)/action", .json(["os-getConsoleOutput": .object([:])]))
    return Self.printable(answer["output"]?.string ?? "")
  }

  private static var controlSequence: Regex<Substring> { /\x1B\[[0-9;?]*[ -\/]*[@-~]/ }

  /// Lines without control characters and sequences (ECMA-48), which a guest could send to a terminal.
  static func printable(_ text: String) -> [String] {
    text.replacing(controlSequence, with: "").split(whereSeparator: \.isNewline).map { line in
      String(line.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 && !(0x80..<0xA0).contains($0.value) })
    }.filter { !$0.allSatisfy(\.isWhitespace) }
  }

  func lookAround(_ user: Session, _ guest: GuestLogin, server: String) async throws {
    let metadata = "http://169.254.169.254/latest/meta-data/public-ipv4"
    for command in [["uname", "-a"], ["uptime"], ["sudo", "-n", "id"], ["curl", "-s", metadata]] {
      try await journal.step("in the guest: \(command.joined(separator: " "))") {
        let output = try await guest.run(command)
        let lines = Self.printable(output.text)
        guard output.status == 0 else {
          let errors = String(decoding: output.stderr, as: UTF8.self)
          throw Fault.internal("\(command.joined(separator: " ")) ended with \(output.status) in the guest: \(errors)")
        }
        return (lines.joined(separator: " / "), ())
      }
    }
    let lines = try await journal.step("console log") {
      let lines = try await consoleLines(user, server)
      return ("\(lines.count) lines, the last ones:", lines)
    }
    for line in lines.suffix(6) { journal.quote(line) }
  }
}
