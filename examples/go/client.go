// Gets an access token with client credentials and calls an API with it. Go, standard library only: go run client.go
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func setting(name, preset string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return preset
}

func fail(what string, err any) {
	fmt.Fprintln(os.Stderr, what, err)
	os.Exit(1)
}

// A redirect is not followed: the secret and the token go to the configured addresses only.
var client = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func main() {
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {setting("CLIENT_ID", "test_api_client")},
		"client_secret": {setting("CLIENT_SECRET", "test-api-client-demo-secret")},
		"scope":         {setting("SCOPE", "test_api_access")},
	}
	endpoint := setting("TOKEN_ENDPOINT", "http://localhost:8080/realms/myorg/protocol/openid-connect/token")
	response, err := client.Post(endpoint, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		fail("The issuer cannot be reached:", err)
	}
	defer response.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 65536)).Decode(&token); err != nil || response.StatusCode != http.StatusOK {
		fail("The issuer refuses a token:", response.Status)
	}

	request, err := http.NewRequest(http.MethodGet, setting("API_URL", "http://localhost:50100/api/private-scoped"), nil)
	if err != nil {
		fail("API_URL cannot be used:", err)
	}
	request.Header.Set("Authorization", "Bearer "+token.AccessToken)
	reply, err := client.Do(request)
	if err != nil {
		fail("The API cannot be reached:", err)
	}
	defer reply.Body.Close()
	body, _ := io.ReadAll(reply.Body)
	fmt.Fprintln(os.Stderr, reply.Status)
	fmt.Println(string(body))
	if reply.StatusCode != http.StatusOK {
		os.Exit(1)
	}
}
