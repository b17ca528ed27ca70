import Exchanges
