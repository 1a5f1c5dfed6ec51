"""A node's HTTP endpoint in front of a chain in this process: what a keeper's checks ask, and how it can be wrong."""

import json
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from eth_utils.address import to_checksum_address

from plimsoll.spec.errors import Refused

GAS = 50_000  # that every transaction is said to have used


class Endpoint(ThreadingHTTPServer):
    """Answers reads of `chain`; writes it refuses, and counts.

    `date` [s]: ahead of the chain by its HTTP header; `behind` [blocks]; `lacks`: methods it refuses; `code`: of HTTP;
    `odd`: its blocks have other hashes.
    """

    daemon_threads = True

    def __init__(self, chain, *, chain_id=None, base_fee=10**9):
        self.chain = chain
        self.chain_id = chain.chain_id if chain_id is None else chain_id
        self.base_fee = base_fee
        self.date, self.behind, self.code, self.odd = 0.0, 0, 200, False
        self.lacks, self.asked = set(), []
        self._lock = threading.Lock()  # the chain is of one thread
        super().__init__(("127.0.0.1", 0), _Answers)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self):
        self.shutdown()
        self.server_close()

    def answer(self, request):
        method, params = request["method"], request["params"]
        self.asked.append(method)
        found = {"jsonrpc": "2.0", "id": request["id"]}
        if method in self.lacks or not hasattr(self, method):
            return {**found, "error": {"code": -32601, "message": f"the method {method} is not available"}}
        try:
            with self._lock:
                return {**found, "result": getattr(self, method)(*params)}
        except Refused as refused:
            said = refused.reason.encode()
            data = "0x08c379a0" + f"{32:064x}{len(said):064x}" + said.hex().ljust(-(-len(said) // 32) * 64, "0")
            return {**found, "error": {"code": 3, "message": "execution reverted", "data": data}}

    def eth_chainId(self):
        return hex(self.chain_id)

    def eth_getBlockByNumber(self, at, _whole):
        number = self.chain.block - self.behind if at == "latest" else int(at, 16)
        time = self.chain.now if at == "latest" else self.chain.headers([number])[0].time
        word = f"{number + 2**128 * self.odd:064x}"
        return {
            "number": hex(number),
            "hash": "0x" + word,
            "timestamp": hex(time),
            "baseFeePerGas": hex(self.base_fee),
        }

    def eth_blockNumber(self):
        return hex(self.chain.block)

    def eth_maxPriorityFeePerGas(self):
        return hex(10**9)

    def eth_call(self, message, _at):
        return "0x" + self.chain.call(to_checksum_address(message["to"]), bytes.fromhex(message["data"][2:])).hex()

    def eth_getCode(self, address, _at):
        return "0x" + self.chain.code(to_checksum_address(address)).hex()

    def eth_getBalance(self, address, _at):
        return hex(self.chain.balance(to_checksum_address(address)))

    def eth_getLogs(self, wanted):
        logs = self.chain.logs(
            [to_checksum_address(wanted["address"])], int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        )
        found = []
        for log in logs:
            topics = ["0x" + topic.hex() for topic in log.topics]
            if topics[0] in wanted.get("topics", [[topics[0]]])[0]:
                sent = f"0x{log.block:064x}"  # one transaction a block
                found.append({"topics": topics, "blockNumber": hex(log.block), "transactionHash": sent})
        return found

    def eth_getTransactionReceipt(self, sent):
        return {"transactionHash": sent, "gasUsed": hex(GAS)}


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        many = isinstance(asked, list)
        answers = [server.answer(item) for item in (asked if many else [asked])]
        body = json.dumps(answers if many else answers[0]).encode()
        self.send_response_only(server.code)
        self.send_header("Date", formatdate(server.chain.now + server.date, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
