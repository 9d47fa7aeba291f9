/// Every limit on sizes and counts that is not an operator's configuration, in one place.
public enum Limits {
  /// Levels of nesting in a JSON text.
  public static let jsonDepthMax = 64
  /// Bytes of a request body that is not a stream.
  public static let requestBodyBytesMax = 4 << 20
  /// Resources on one page of a list, as upstream's max_limit.
  public static let pageMax = 1000
  /// Bytes in one piece of a streamed body.
  public static let streamChunkBytes = 128 << 10
  /// Bytes of output that are kept of a host command.
  public static let commandOutputBytesMax = 1 << 20
}
