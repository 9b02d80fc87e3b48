"""Gets an access token with client credentials and calls an API with it. Python 3, standard library only."""
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

TOKEN_ENDPOINT = os.environ.get("TOKEN_ENDPOINT") or "http://localhost:8080/realms/myorg/protocol/openid-connect/token"
API_URL = os.environ.get("API_URL") or "http://localhost:50100/api/private-scoped"

form = {
    "grant_type": "client_credentials",
    "client_id": os.environ.get("CLIENT_ID") or "test_api_client",
    "client_secret": os.environ.get("CLIENT_SECRET") or "test-api-client-demo-secret",
    "scope": os.environ.get("SCOPE") or "test_api_access",
}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the secret and the token go to the configured addresses only."""

    def redirect_request(self, *_):
        return None


send = urllib.request.build_opener(NoRedirect).open

try:
    # 1. Ask the issuer for a token: a form, sent with POST.
    with send(TOKEN_ENDPOINT, urllib.parse.urlencode(form).encode(), timeout=10) as response:
        token = json.load(response)["access_token"]

    # 2. Call the API with it.
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with send(urllib.request.Request(API_URL, headers=headers), timeout=10) as response:
        print(response.read().decode())
except urllib.error.HTTPError as refusal:  # the issuer or the API said no
    sys.exit(f"{refusal.url} responded with {refusal.code}: {refusal.read().decode()}")
except urllib.error.URLError as error:
    sys.exit(f"No response: {error.reason}")
