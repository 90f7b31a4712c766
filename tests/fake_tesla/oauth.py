"""The token endpoint with its three grants, and the authorise page without a page."""
import json
import secrets
import urllib.parse

from . import jws, pki
from .messages import Answer, Refusal

ACCESS_SECONDS = 28800
REFRESH_SECONDS = 90 * 86400
GRACE_SECONDS = 86400
CODE_SECONDS = 600
PARTNER_SCOPES = {"openid", "user_data", "vehicle_device_data", "vehicle_location", "vehicle_cmds",
                  "vehicle_charging_cmds", "vehicle_specs", "vehicle_pricing_info", "energy_device_data",
                  "energy_cmds", "enterprise_management"}


class Access:
    """An access token and what it permits."""

    def __init__(self, token, app, scopes, expires, session, audience):
        self.token, self.app, self.scopes, self.expires = token, app, scopes, expires
        self.session, self.audience = session, audience  # session None: a partner token
        self.ended = False


class Session:
    """A user's consent to an app: its refresh tokens and its scopes."""

    def __init__(self, app, scopes):
        self.app, self.scopes = app, scopes
        self.current = None   # (refresh token, time of issue)
        self.last_used = None  # (refresh token, time of its use)
        self.revoked = False


class Tokens:
    """All codes and tokens of a fake cloud. The caller has the fake's lock."""

    def __init__(self, fake):
        self.fake = fake
        self.codes = {}
        self.sessions = []
        self.access = {}

    # ---- the browser ------------------------------------------------------------

    def authorise(self, query):
        """The address to which the browser is sent after the consent."""
        app = self.fake.apps.get(query.get("client_id"))
        if app is None:
            raise Refusal(400, "unauthorized_client", "unknown client_id")
        if query.get("redirect_uri") != app.redirect_uri:
            raise Refusal(400, "invalid_redirect_url", "the redirect_uri is not one of the application")
        back = {"state": query.get("state", "")}
        if query.get("response_type") != "code" or not back["state"]:
            raise Refusal(400, "invalid_request", "response_type must be code, and state is required")
        asked = set(query.get("scope", "").split())
        if not asked or not asked <= app.scopes:
            raise Refusal(400, "invalid_scope", f"not scopes of the application: {sorted(asked - app.scopes)}")
        granted = self.consented(app, asked, query.get("prompt_missing_scopes") == "true")
        if self.fake.deny or (query.get("require_requested_scopes") == "true" and asked - granted):
            return self.redirect(app, {"error": "access_denied", **back})
        code = f"{self.fake.region.upper()}_{secrets.token_hex(30)}"
        self.codes[code] = {"app": app, "scopes": granted, "time": self.fake.now(), "used": False}
        return self.redirect(app, {"code": code, **back, "issuer": "https://auth.tesla.com/oauth2/v3"})

    def consented(self, app, asked, ask_missing):
        """The scopes that the owner grants. An owner who has consented before is asked only for missing ones,
        and only if the link says so."""
        offered = asked if self.fake.consent is None else asked & (set(self.fake.consent) | {"openid"})
        before = next((s.scopes for s in self.sessions if s.app is app and not s.revoked), None)
        if before is None:
            return offered
        return before | offered if ask_missing else before

    @staticmethod
    def redirect(app, fields):
        separator = "&" if "?" in app.redirect_uri else "?"
        return app.redirect_uri + separator + urllib.parse.urlencode(fields)

    # ---- the three grants -------------------------------------------------------

    def grant(self, request):
        form = request.form()
        grants = {"client_credentials": self.client_credentials, "authorization_code": self.authorization_code,
                  "refresh_token": self.refresh}
        if form.get("grant_type") not in grants:
            raise Refusal(400, "unsupported_grant_type", "unknown grant_type")
        app = self.fake.apps.get(form.get("client_id"))
        secret = form.get("client_secret")
        if app is None or (secret != app.secret and (secret is not None or form["grant_type"] != "refresh_token")):
            raise Refusal(400, "unauthorized_client",
                          "We don't recognize this client_id and client_secret combination")
        return Answer(200, grants[form["grant_type"]](app, form))

    def audience(self, form):
        role = self.fake.role_of(form.get("audience", ""))
        if role in (None, "auth"):
            raise Refusal(400, "invalid_request", "audience is not a base URL of the Fleet API")
        return form["audience"]

    def client_credentials(self, app, form):
        scopes = set(form.get("scope", "").split())
        if not scopes or not scopes <= app.scopes & PARTNER_SCOPES:
            raise Refusal(400, "invalid_scope", "scopes of a partner token must be scopes of the application")
        access = self.new_access(app, scopes, None, [self.audience(form)])
        return {"access_token": access.token, "expires_in": ACCESS_SECONDS, "token_type": "Bearer"}

    def authorization_code(self, app, form):
        code = self.codes.get(form.get("code"))
        if code is None or code["used"] or code["app"] is not app or \
                self.fake.now() > code["time"] + CODE_SECONDS:
            raise Refusal(400, "invalid_auth_code", "the code is unknown, used or too old")
        if form.get("redirect_uri") != app.redirect_uri:
            raise Refusal(400, "invalid_redirect_url", "the redirect_uri differs from that of the code")
        self.audience(form)
        code["used"] = True
        for session in [s for s in self.sessions if s.app is app]:
            self.end(session)
        session = Session(app, code["scopes"])
        self.sessions.append(session)
        return self.new_pair(session, form.get("audience"), id_token=True)

    def refresh(self, app, form):
        token, now = form.get("refresh_token"), self.fake.now()
        for session in self.sessions:
            if session.app is not app or session.revoked:
                continue
            current, issued = session.current
            if token == current and now < issued + REFRESH_SECONDS:
                session.last_used = (current, now)
                return self.new_pair(session, None)
            if session.last_used and token == session.last_used[0] and now < session.last_used[1] + GRACE_SECONDS:
                return self.new_pair(session, None)
        raise Refusal(401, "login_required", "The refresh_token is invalid. Please log in again.")

    def new_pair(self, session, audience, id_token=False):
        """New tokens of a session. Its earlier access tokens end."""
        for access in self.access.values():
            access.ended = access.ended or access.session is session
        session.current = (f"{self.fake.region.upper()}_{secrets.token_hex(32)}", self.fake.now())
        listed = [f"https://{pki.HOSTS[role][0]}" for role in ("na", "eu")] \
            if self.fake.region != "cn" else [f"https://{pki.HOSTS['cn'][0]}"]
        if audience and audience not in listed:
            listed.append(audience)
        access = self.new_access(session.app, session.scopes, session, listed)
        answer = {"access_token": access.token, "refresh_token": session.current[0],
                  "expires_in": ACCESS_SECONDS, "token_type": "Bearer"}
        if "offline_access" not in session.scopes:
            del answer["refresh_token"]
        if id_token:
            answer["id_token"] = self.jwt({"sub": "fake-owner", "aud": session.app.client_id})
        return answer

    def new_access(self, app, scopes, session, audience):
        expires = int(self.fake.now()) + ACCESS_SECONDS
        claims = {"aud": audience, "scp": sorted(scopes), "exp": expires, "iat": expires - ACCESS_SECONDS,
                  "azp": app.client_id, "iss": "https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3"}
        if session is None:
            claims.update(gty="client-credentials", sub=app.client_id)
        else:
            claims.update(ou_code=self.fake.region.upper(), sub="fake-owner")
        access = Access(self.jwt(claims), app, set(scopes), expires, session, audience)
        self.access[access.token] = access
        return access

    @staticmethod
    def jwt(claims):
        """A token in the form of a JWT. The fake knows its tokens by their text; the signature is random."""
        header = {"alg": "RS256", "typ": "JWT", "kid": "fake"}
        parts = [jws.encode(json.dumps(part).encode()) for part in (header, claims)]
        return ".".join([*parts, jws.encode(secrets.token_bytes(64))])

    # ---- the other end ----------------------------------------------------------

    def end(self, session):
        session.revoked = True
        for access in self.access.values():
            access.ended = access.ended or access.session is session

    def check(self, request, user, scopes):
        """The access token of a request, or a refusal."""
        word, _, token = request.headers.get("authorization", "").partition(" ")
        if word.lower() != "bearer" or not token:
            raise Refusal(401, "invalid bearer token", "no bearer token")
        access = self.access.get(token)
        if access is None or access.ended:
            raise Refusal(401, "invalid bearer token", "the token is unknown or has ended")
        if access.expires <= self.fake.now():
            raise Refusal(401, "token expired (401)", "the token has expired")
        if (access.session is not None) != user:
            raise Refusal(403, "Unauthorized", f"a {'user' if user else 'partner'} token is needed")
        if not user and self.fake.role_of(access.audience[0]) != request.role:
            raise Refusal(401, "invalid bearer token", "invalid audience: the token is for another region")
        if not set(scopes) <= access.scopes:
            raise Refusal(403, "Unauthorized missing scopes", " ".join(sorted(set(scopes) - access.scopes)))
        return access
