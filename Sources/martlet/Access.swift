import ArgumentParser
import Cloud
import Foundation
import Host
import Kit

struct OpenRC: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "openrc", abstract: "Print the administrator's OS_* variables: eval \"$(martlet openrc)\".")
  @OptionGroup var state: StateOption
  func run() throws { print(try Login(state.folder, state.configuration()).openrc, terminator: "") }
}

struct CloudsYAML: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clouds-yaml", abstract: "Print a clouds.yaml with the administrator's login.")
  @OptionGroup var state: StateOption
  @Option(name: .long, help: "The cloud's name in the file.")
  var name = "martlet"
  func run() throws { print(try Login(state.folder, state.configuration()).cloudsYAML(name: name), terminator: "") }
}

struct Exec: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a command inside the cloud's network namespace, where the APIs and the floating IPs both answer.")
  @OptionGroup var state: StateOption
  @Argument(parsing: .postTerminator, help: "The command and its arguments, behind --.")
  var command: [String]

  func run() throws {
    guard let program = command.first else { throw ValidationError("Name a command behind --.") }
    let configuration = try state.configuration()
    let execute: @Sendable () throws -> Void = { [command] in
      var argv = command.map { strdup($0) } + [nil]
      execvp(program, &argv)
      throw Fault(500, "Cannot run \(program): \(String(cString: strerror(errno))).")
    }
    // The thread that execs becomes the new program, with the namespace that it has entered.
    if configuration.text("network.driver") == "kernel" {
      try NetworkNamespace(configuration.text("cloud.name")).runBlocking(execute)
    } else {
      try execute()
    }
  }
}
