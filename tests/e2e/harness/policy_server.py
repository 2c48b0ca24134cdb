"""A web server for MTA-STS policies: HTTPS on port 443 of an address of its own, one domain each."""
import http.server
import ssl
import threading


class PolicyServer:
    def __init__(self, address, certificate, text, status=200, stall=False):
        self.text, self.status, self.stall = text, status, stall
        self.asked = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append((self.headers["Host"], self.path))
                if server.stall:
                    server.over.wait(60)
                    return
                self.send_response(server.status)
                if server.status // 100 == 3:
                    self.send_header("Location", f"https://{self.headers['Host']}/elsewhere")
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(server.text.encode())

            def log_message(self, *_):
                pass

        self.over = threading.Event()
        self._server = http.server.ThreadingHTTPServer((address, 443), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
