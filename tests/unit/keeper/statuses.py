"""A keeper on a bad day, as its status tells it: something in every part."""

from plimsoll.keeper.status import (
    AccountsStatus,
    AccountStatus,
    AlertStatus,
    AuctionStatus,
    EndpointStatus,
    HeadStatus,
    KeyStatus,
    LoopStatus,
    RelayStatus,
    ReportStatus,
    SignerStatus,
    SourceStatus,
    Status,
    StorageStatus,
    TransactionStatus,
)

NOW = 1_700_006_400
GIB = 2.0**30
OWNERS = [f"{0x976EA74026E726554DB657FA54763ABD0C3A0AA9 + k:040x}" for k in range(20)]


def account(k, number=0):
    return f"0x{OWNERS[k]}{number:024x}"


def quiet(**parts):
    """A keeper of which nothing is wrong."""
    held = {
        "version": "0.1.0",
        "chain_id": 11155111,
        "time": NOW,
        "started": NOW - 3 * 86_400 - 4 * 3_600,
        "skew": 0.2,
        "head": HeadStatus(6_412_345, "0x" + "ab" * 32, NOW - 7, 7.0),
        "endpoints": (
            EndpointStatus("https://sepolia.example.org/v3/0123456789abcdef", True, 6_412_345, 0, True, 0.043),
            EndpointStatus("http://10.0.0.7:8545", True, 6_412_344, 1, True, 0.004),
        ),
        "loop": LoopStatus(21_600, NOW - 3, "", 0, False, "", 0.412, 3.0),
        "enforcing": LoopStatus(21_602, NOW - 2, "", 0, False, "", 0.2, 2.0),
        "report": ReportStatus(
            412, NOW - 310, 310.0, 3_600, 7_200, NOW - 300, 0, "", ("gate: index of 257 moved 8.1 %",), 2, 3
        ),
        "keys": (
            KeyStatus("poster", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", 3.2105, 902, 0, 0.0412, 1.0, 0.05),
            KeyStatus("liquidator", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", 1.7, 31, 0, 0.004, 1.0, 0.01),
        ),
        "signers": (
            SignerStatus("http://10.0.0.2:9560", True, NOW - 300),
            SignerStatus("http://10.0.0.3:9560", True, NOW - 300),
            SignerStatus("http://10.0.0.4:9560", True, NOW - 300),
        ),
        "relays": (RelayStatus("relay.example.org", True, NOW - 40, 0),),
        "sources": tuple(
            SourceStatus(name, market, "spot", price, NOW - 2, 2.0, True, "", 0)
            for market, price in (("BTC", 63_412.5), ("ETH", 3_012.25))
            for name in ("binance", "coinbase", "kraken", "okx")
        ),
        "accounts": AccountsStatus(
            1_204,
            {"healthy": 1_180, "restricted": 14, "called": 10, "liquidatable": 0, "insolvent": 0},
            (
                AccountStatus(account(1), "called", 10_450.0, 10_000.0, 13_000.0, 1.045, 0.31),
                AccountStatus(account(2, 7), "restricted", 240_000.0, 200_000.0, 260_000.0, 1.2, 0.02),
            ),
        ),
        "transactions": (TransactionStatus(77, "post", "412", 902, "mined", 40.0, "0x" + "cd" * 32, 31.5),),
        "storage": StorageStatus("", "", "", 76 * GIB),
    }
    return Status(**{**held, **parts})


def bad():
    """The same on its worst day."""
    fine = quiet()
    return quiet(
        endpoints=(
            EndpointStatus("https://sepolia.example.org/v3/0123456789abcdef", False, 0, 0, True, None, "HTTP 503"),
            *fine.endpoints[1:],
        ),
        loop=LoopStatus(21_600, NOW - 3, "SourceDownError: BTC: 2 sources are good", 2, True, "", 0.4, 3.0),
        report=ReportStatus(412, NOW - 4_800, 4_800.0, 3_600, 7_200, NOW, 2, "oracle: step too large", (), 2, 3),
        signers=(
            *fine.signers[:2],
            SignerStatus("http://10.0.0.4:9560", False, NOW - 4_000, "no answer within 5 s"),
        ),
        sources=(
            *fine.sources[:3],
            SourceStatus("okx", "BTC", "spot", 634_125.0, NOW - 1, 1.0, False, "outlier: 10.0 times the median", 3),
            *fine.sources[4:],
        ),
        accounts=AccountsStatus(
            1_204,
            {"healthy": 1_100, "restricted": 60, "called": 32, "liquidatable": 11, "insolvent": 1},
            (
                AccountStatus(account(0), "insolvent", -12_034.5, 80_000.0, 104_000.0, -0.15, 1.0, 14),
                *(
                    AccountStatus(account(k, k), "liquidatable", 9_000.0 + k, 10_000.0, 13_000.0, 0.9, 0.97, k)
                    for k in range(1, 12)
                ),
            ),
            bad_debt=12_034.5,
        ),
        auctions=(
            AuctionStatus(account(0), NOW - 700, -12_034.5, 0.95, 0, 700.0),
            AuctionStatus(account(5, 5), NOW - 90, 9_005.0, 0.12, 2, 90.0),
        ),
        transactions=(
            TransactionStatus(78, "start", account(3, 3), 32, "sent", 320.0, "0x" + "cd" * 32, 62.5, 4),
            *fine.transactions,
        ),
        alerts=(
            AlertStatus("bad-debt", "page", "bad debt of 12,034.50 is on record", NOW - 600),
            AlertStatus("endpoint-down", "ticket", "RPC endpoint https://sepolia.example.org/v3/… is down", NOW - 90),
        ),
    )
