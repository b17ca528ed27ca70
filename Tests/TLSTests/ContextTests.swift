import Testing

@testable import TLS

/// Files that are of no use are refused when they are read, each under its own name.
@Suite struct ContextTests {
    func problem(_ options: TLSServerOptions) -> TLSFileError? {
        do throws(TLSFileError) {
            _ = try TLSServerContext(options, name: "public", vault: TicketVault())
            return nil
        } catch {
            return error
        }
    }

    @Test func goodFilesAreTaken() throws {
        let shop = try Workshop()
        let files = try shop.issue("server", "DNS:localhost")
        #expect(problem(TLSServerOptions(certificates: [files])) == nil)
        var strict = TLSServerOptions(certificates: [files])
        strict.clientCertificates = .required
        strict.clientAuthorities = shop.path("ca.crt")
        strict.profile = .modern
        strict.ticketPeriod = 0
        #expect(problem(strict) == nil)
    }

    @Test func eachBadFileIsNamed() throws {
        let shop = try Workshop()
        let good = try shop.issue("server", "DNS:localhost")
        let other = try shop.issue("other", "DNS:other")
        let garbage = try shop.write("garbage", "nothing at all")
        func with(_ chain: String, _ key: String, _ status: String? = nil) -> TLSFileError.File? {
            problem(TLSServerOptions(certificates: [good, TLSCertificateFiles(chain: chain, key: key, status: status)]))?.file
        }
        #expect(with(garbage, good.key) == .chain(1))
        #expect(with(shop.path("missing"), good.key) == .chain(1))
        #expect(with(good.chain, garbage) == .key(1))
        #expect(with(good.chain, other.key) == .key(1))
        #expect(with(good.chain, good.key, garbage) == .status(1))
        let old = try shop.issue("old", "DNS:old", days: -1)
        #expect(with(old.chain, old.key) == .chain(1))
        var strict = TLSServerOptions(certificates: [good])
        strict.clientCertificates = .optional
        strict.clientAuthorities = garbage
        #expect(problem(strict)?.file == .authorities)
        strict.clientAuthorities = nil
        #expect(problem(strict) != nil)
        #expect(problem(TLSServerOptions(certificates: [])) != nil)
    }

    @Test func aClientsFilesToo() throws {
        let shop = try Workshop()
        func file(_ options: TLSClientOptions) -> TLSFileError.File? {
            do throws(TLSFileError) {
                _ = try TLSClientContext(options)
                return nil
            } catch {
                return error.file
            }
        }
        var options = TLSClientOptions()
        options.authorities = shop.path("ca.crt")
        #expect(file(options) == nil)
        options.authorities = shop.path("missing")
        #expect(file(options) == .authorities)
        options.authorities = shop.path("ca.crt")
        options.certificate = TLSCertificateFiles(chain: shop.path("ca.crt"), key: try shop.write("k", "x"))
        #expect(file(options) == .key(0))
    }
}
