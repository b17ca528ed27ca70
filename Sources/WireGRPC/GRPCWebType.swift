public import Exchanges

/// The content types of gRPC-Web (PROTOCOL-WEB): `application/grpc-web` in bytes, `application/grpc-web-text`
/// in base64, each perhaps with the format of the messages (`+proto`).
public enum GRPCWebType {
    /// The longest format that is repeated; `proto` and `json` are the ones in use.
    static let formatLimit = 16

    /// The format with its plus sign; empty where the type names none, or no sensible one.
    public static func format(of contentType: borrowing Span<UInt8>) -> Slice {
        var at = 0
        while at < contentType.count, contentType[at] != 0x2b {
            if contentType[at] == 0x3b { return .none }
            at &+= 1
        }
        let start = at
        at = min(at &+ 1, contentType.count)
        while at < contentType.count, contentType[at].isFormatCharacter { at &+= 1 }
        guard at &- start > 1, at &- start <= formatLimit else { return .none }
        return Slice(start, at)
    }

    /// Is the answer to be in text? What the client accepts says so where it names a type of gRPC-Web; else the
    /// answer is as the request was.
    /// - Parameter accept: the value of `Accept`; empty = there is none.
    public static func answersText(accept: borrowing Span<UInt8>, whenAsked isText: Bool) -> Bool {
        let name: StaticString = "application/grpc-web"
        let n = name.utf8CodeUnitCount
        var at = 0
        while at &+ n <= accept.count {
            if accept.extracting(at..<(at &+ n)).equalsIgnoringCase(name) {
                let rest = accept.extracting((at &+ n)..<accept.count)
                return rest.count >= 5 && rest.extracting(0..<5).equalsIgnoringCase("-text")
            }
            at &+= 1
        }
        return isText
    }
}

extension UInt8 {
    fileprivate var isFormatCharacter: Bool {
        let letter = self | 0x20
        return (letter >= 0x61 && letter <= 0x7a) || (self >= 0x30 && self <= 0x39) || self == 0x2d || self == 0x2e
    }
}
