public import Exchanges

/// The end of a call, as field lines.
public enum GRPCTrailers {
    /// Appends `grpc-status` and, if there is a message, `grpc-message`.
    /// - Parameter message: UTF-8.
    public static func append(_ status: GRPCStatus, message: borrowing Span<UInt8>, to out: Buffer) {
        out.append("grpc-status: " as StaticString)
        out.append(decimal: UInt64(status.rawValue))
        out.append("\r\n" as StaticString)
        guard message.count > 0 else { return }
        out.append("grpc-message: " as StaticString)
        GRPCMessageText.encode(message, into: out)
        out.append("\r\n" as StaticString)
    }
}
