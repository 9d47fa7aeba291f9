import ArgumentParser
import Cloud
import Config
import Kit

/// The option that every subcommand shares: which cloud.
struct StateOption: ParsableArguments {
  @Option(name: .long, help: "The folder with the cloud's state.")
  var state = "/var/lib/martlet"

  var folder: StateFolder { StateFolder(state) }

  /// The folder's settings over the defaults.
  func configuration() throws -> Configuration { try Configuration(file: folder.configuration) }
}
