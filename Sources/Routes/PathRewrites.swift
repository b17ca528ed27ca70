import Exchanges

/// How paths change on their way upstream, as plain bits.
struct PathRewrites: Sendable {
    struct Rewrite: Sendable, BitwiseCopyable {
        /// Bytes taken off the front; 0 = built from pieces.
        var strip: UInt32 = 0
        /// A run of `pieces`.
        var start: UInt32 = 0
        var count: UInt32 = 0
    }

    /// Literal bytes, then perhaps a capture.
    struct Piece: Sendable, BitwiseCopyable {
        static let noCapture = UInt8.max
        /// Into `bytes`.
        var literal: Slice
        var capture: UInt8
    }

    private var rewrites: [Rewrite] = []
    private var pieces: [Piece] = []
    private var bytes: [UInt8] = []

    /// Adds a rewrite and returns its number.
    /// - Parameter captures: the names of the match's captures, in their order.
    mutating func add(_ definition: RewriteDefinition, captures: [String]) -> UInt16 {
        switch definition {
        case .stripPrefix(let prefix):
            rewrites.append(Rewrite(strip: UInt32(prefix.utf8.count)))
        case .template(let template):
            let start = UInt32(pieces.count)
            var literal: [UInt8] = []
            for segment in template.segments {
                literal.append(0x2f)
                switch segment {
                case .literal(let text): literal += text
                case .parameter(let name), .rest(let name):
                    // The reader has checked that the match has this capture.
                    addPiece(literal, captures.firstIndex(of: name).map { UInt8($0) } ?? Piece.noCapture)
                    literal = []
                }
            }
            if !literal.isEmpty { addPiece(literal, Piece.noCapture) }
            rewrites.append(Rewrite(start: start, count: UInt32(pieces.count) - start))
        }
        return UInt16(rewrites.count - 1)
    }

    private mutating func addPiece(_ literal: [UInt8], _ capture: UInt8) {
        pieces.append(Piece(literal: Slice(bytes.count, bytes.count + literal.count), capture: capture))
        bytes += literal
    }

    /// See `RouteTable.pathRewrite`.
    func append(
        _ index: UInt16, path: Slice, captures: borrowing Captures, in text: borrowing Span<UInt8>, into buffer: Buffer
    ) {
        guard index != Rule.none else {
            buffer.append(path, of: text)
            return
        }
        let rewrite = rewrites[Int(index)]
        if rewrite.strip > 0 {
            // The match began with the prefix, so what follows it is nothing or a slash.
            guard path.count > rewrite.strip else {
                buffer.append(0x2f)
                return
            }
            buffer.append(Slice(start: path.start + rewrite.strip, count: path.count - rewrite.strip), of: text)
            return
        }
        let own = bytes.span
        for i in rewrite.start..<rewrite.start + rewrite.count {
            let piece = pieces[Int(i)]
            buffer.append(piece.literal, of: own)
            if piece.capture != Piece.noCapture { buffer.append(captures[Int(piece.capture)], of: text) }
        }
    }
}
