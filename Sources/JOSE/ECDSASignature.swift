/// The two forms of an ECDSA signature: `r` and `s` side by side (RFC 7518 section 3.4), and the DER that OpenSSL
/// wants.
enum ECDSASignature {
    /// - Parameter raw: twice the curve's width, at most 132 bytes.
    static func der(ofRaw raw: Span<UInt8>) -> [UInt8] {
        let half = raw.count / 2
        var content: [UInt8] = []
        content.reserveCapacity(raw.count + 12)
        append(raw.extracting(0..<half), to: &content)
        append(raw.extracting(half...), to: &content)
        var der: [UInt8] = [0x30]
        der.reserveCapacity(content.count + 3)
        if content.count >= 0x80 { der.append(0x81) }
        der.append(UInt8(content.count))
        der.append(contentsOf: content)
        return der
    }

    /// A positive INTEGER, in the fewest bytes.
    private static func append(_ number: Span<UInt8>, to der: inout [UInt8]) {
        var start = 0
        while start < number.count - 1, number[start] == 0 { start += 1 }
        let needsSign = number[start] & 0x80 != 0
        der.append(0x02)
        der.append(UInt8(number.count - start + (needsSign ? 1 : 0)))
        if needsSign { der.append(0) }
        for i in start..<number.count { der.append(number[i]) }
    }

    /// From what OpenSSL has signed; nil when it is not of this width.
    static func raw(ofDER der: Span<UInt8>, width: Int) -> [UInt8]? {
        var at = 0
        guard let sequence = length(der, &at, tag: 0x30), sequence == der.count - at else { return nil }
        var raw = [UInt8](repeating: 0, count: 2 * width)
        for part in 1...2 {
            guard var count = length(der, &at, tag: 0x02), at + count <= der.count else { return nil }
            while count > width {
                guard der[at] == 0 else { return nil }
                at += 1
                count -= 1
            }
            for i in 0..<count { raw[part * width - count + i] = der[at + i] }
            at += count
        }
        return at == der.count ? raw : nil
    }

    private static func length(_ der: Span<UInt8>, _ at: inout Int, tag: UInt8) -> Int? {
        guard at + 2 <= der.count, der[at] == tag else { return nil }
        at += 2
        if der[at - 1] < 0x80 { return Int(der[at - 1]) }
        guard der[at - 1] == 0x81, at < der.count else { return nil }
        at += 1
        return Int(der[at - 1])
    }
}
