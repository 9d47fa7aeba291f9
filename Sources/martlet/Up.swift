import ArgumentParser
import Cloud
import Config
import Foundation
import Kit

struct Up: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Start the cloud on this machine, and print how to log in.",
    discussion: "What the flags set is kept in martlet.yaml in the state folder; later commands read it there.")

  @OptionGroup var state: StateOption
  @Flag(name: .long, help: "Every role in one process with embedded engines. It is the only form so far.")
  var allInOne = false
  @Option(name: .long, help: "Added to every port, so that several clouds fit on one machine.")
  var portOffset: Int?
  @Option(name: .long, help: "How the external network meets the world: isolated, routed or bridged:NIC.")
  var external: String?
  @Option(name: .long, help: "Addresses of the external network, such as 172.24.4.0/24; the first one is its gateway.")
  var externalCIDR: String?
  @Flag(
    name: .long, help: "No guests and no networks, only the books: for tests of clients and of scale. Needs no root.")
  var fake = false
  @Option(
    name: .long, help: ArgumentHelp("Any setting of martlet.yaml; may be repeated.", valueName: "section.key=value"))
  var set: [String] = []

  func run() async throws {
    let configuration = try settings()
    let started = ContinuousClock.now
    let status = try await Launcher(configuration: configuration, state: state.folder).up(program: Self.program())
    let took = ContinuousClock.now - started
    print(Self.welcome(status, state: state.folder, took: took))
  }

  private func settings() throws -> Configuration {
    var configuration = try state.configuration()
    if let portOffset {
      try configuration.set("api.port_offset", "\(portOffset)", source: "--port-offset")
      if configuration.text("cloud.name") == "martlet", portOffset != 0 {
        try configuration.set("cloud.name", "martlet\(portOffset)", source: "--port-offset")
      }
    }
    if let external { try configuration.set("network.external", external, source: "--external") }
    if let externalCIDR {
      guard let cidr = CIDR(externalCIDR), !cidr.isV6, cidr.prefix <= 29 else {
        throw Fault.badRequest(
          "--external-cidr must be an IPv4 network of at least 8 addresses, not '\(externalCIDR)'.")
      }
      try configuration.set("network.external_cidr", cidr.description, source: "--external-cidr")
      try configuration.set(
        "network.external_gateway", cidr.network.advanced(by: 1).description, source: "--external-cidr")
    }
    if fake {
      try configuration.set("hypervisor.driver", "fake", source: "--fake")
      try configuration.set("network.driver", "fake", source: "--fake")
    }
    for entry in set {
      let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { throw Fault.badRequest("--set takes section.key=value, not '\(entry)'.") }
      try configuration.set(parts[0], parts[1], source: "--set")
    }
    return configuration
  }

  /// The path of this program.
  static func program() throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
  }

  static func welcome(_ status: JSONValue, state: StateFolder, took: Duration) -> String {
    let flag = state.path == "/var/lib/martlet" ? "" : " --state \(state.path)"
    let program = CommandLine.arguments.first ?? "martlet"
    var lines = [
      "Martlet is up on \(status["host"]?.string ?? "this machine"): "
        + "\(status["hypervisor"]?.string ?? "") guests by \(status["accelerator"]?.string ?? ""), "
        + "every API answered after \(status["startup_seconds"]?.double ?? 0) s (up took \(took.milliseconds) ms).", "",
    ]
    for member in status["endpoints"]?.object ?? [:] {
      lines.append("  \(member.key.padding(toLength: 14, withPad: " ", startingAt: 0)) \(member.value.string ?? "")")
    }
    lines += [
      "", "Log in as the administrator:", "  eval \"$(\(program) openrc\(flag))\"",
      "  \(program) exec\(flag) -- openstack server list", "",
      "The first guest, from project to SSH:  \(program) demo\(flag)",
      "Stop it (guests go on):                \(program) stop\(flag)",
      "Take it down, guests too:              \(program) down\(flag)",
    ]
    return lines.joined(separator: "\n")
  }
}
