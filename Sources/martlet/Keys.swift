import ArgumentParser
import Cloud
import Kit

struct Keys: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The keys that seal tokens and stored credentials.", subcommands: [KeysRotate.self])
}

struct KeysRotate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate",
    abstract: "Make new keys: live tokens stay in force, stored credentials are sealed anew.")
  @OptionGroup var state: StateOption

  func run() throws {
    guard let numbers = try ControlClient(state.folder).call("POST", "/keys/rotate")?.object else {
      throw Fault.unavailable("The cloud in \(state.folder.path) is not running: `martlet up` starts it.")
    }
    for member in numbers { print("\(member.key) is sealed by key \(member.value.int ?? 0) from now on") }
  }
}
