// A backend: answers each request with the name of the node that it runs on.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// How long it goes on after SIGTERM, for those who have not heard yet that it leaves.
const leaving = 3 * time.Second

func main() {
	end, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := http.Server{Addr: ":8080", Handler: http.HandlerFunc(answer)}
	go func() {
		<-end.Done()
		time.Sleep(leaving)
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprint(w, os.Getenv("NODE"))
}
