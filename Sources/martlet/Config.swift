import ArgumentParser
import Cloud

struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The settings of martlet.yaml.", subcommands: [ConfigShow.self])
}

struct ConfigShow: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "show", abstract: "Print every setting with its value.")
  @OptionGroup var state: StateOption
  @Flag(name: .long, help: "Also what it means, its type, its default and where its value comes from.")
  var explain = false
  func run() throws { print(try state.configuration().show(explain: explain), terminator: "") }
}
