import ArgumentParser
import Cloud
import Kit

struct Log: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Log levels of the running services.", subcommands: [LogSet.self, LogShow.self])
}

struct LogSet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Switch a service's level while it runs: martlet log set compute debug.")
  @OptionGroup var state: StateOption
  @Argument(help: "identity, image, compute, placement, network, workflow, compute-node, network-node or martlet.")
  var service: String
  @Argument(help: "trace, debug, info, audit, warning, error or critical.")
  var level: String

  func run() throws {
    let body: JSONValue = ["service": .string(service), "level": .string(level)]
    guard try ControlClient(state.folder).call("PUT", "/log", body: body) != nil else {
      throw Fault.unavailable(
        "The cloud in \(state.folder.path) is not running; log.level in martlet.yaml is its level at start.")
    }
    print("\(service) logs at \(level.uppercased()), in \(state.folder.logs)/\(service)/\(service).log")
  }
}

struct LogShow: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Show the level of every service.")
  @OptionGroup var state: StateOption

  func run() throws {
    guard let levels = try ControlClient(state.folder).call("GET", "/log")?.object else {
      throw Fault.unavailable("The cloud in \(state.folder.path) is not running.")
    }
    for member in levels { print("\(member.key) \(member.value.string ?? "")") }
  }
}
