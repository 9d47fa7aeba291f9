import ArgumentParser
import Cloud
import Foundation
import GuestImage
import Kit
import Logs

struct ImageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "image", abstract: "Guest images.", subcommands: [ImageBuild.self])
}

struct ImageBuild: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build", abstract: "Build a small bootable guest image from Debian packages.",
    discussion:
      "An image that is up to date is kept. Its user is cirros, with the key from the metadata service or config drive."
  )
  @OptionGroup var state: StateOption
  @Option(name: .long, help: "Folder for the image; default: guest-image in the state folder.")
  var output: String?
  @Flag(name: .long, help: "Print where it is as JSON.")
  var json = false

  func run() async throws {
    let image = try await Self.build(output ?? state.folder.guestImage)
    if json {
      let description: JSONValue = [
        "disk": .string(image.disk), "kernel": .string(image.kernel), "initrd": .string(image.initrd),
        "arguments": .string(image.kernelArguments), "user": .string(image.user),
      ]
      print(description.text)
    } else {
      print("disk    \(image.disk)\nkernel  \(image.kernel)\ninitrd  \(image.initrd)\nuser    \(image.user)")
    }
  }

  static func build(_ folder: String) async throws -> GuestImage {
    let log = LogCenter(directory: nil).logger("image-build")
    return try await GuestImageBuilder(outputDirectory: folder, log: log) { Terminal.note("  \($0)") }.build()
  }
}
