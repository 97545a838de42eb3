// A reverse proxy that adds a bearer token: Tessera's integration test sends none, and our logs take entries from
// writers alone.
//
// usage: bearer LISTEN UPSTREAM, with the token in TOKEN
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	token := os.Getenv("TOKEN")
	proxy := &httputil.ReverseProxy{Rewrite: func(request *httputil.ProxyRequest) {
		request.SetURL(upstream)
		request.Out.Header.Set("Authorization", "Bearer "+token)
	}}
	log.Fatal(http.ListenAndServe(os.Args[1], proxy))
}
