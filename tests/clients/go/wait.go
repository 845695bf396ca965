// Waits for each task named as an argument to end and prints its structured
// response and what it used.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

type object = map[string]interface{}

type task struct {
	TaskID          string `json:"task_id"`
	WorkflowID      string `json:"workflow_id"`
	Status          string `json:"status"`
	Result          string `json:"result"`
	Response        object `json:"response"`
	Error           string `json:"error"`
	Query           string `json:"query"`
	SessionID       string `json:"session_id"`
	Mode            string `json:"mode"`
	Context         object `json:"context"`
	ModelUsed       string `json:"model_used"`
	Provider        string `json:"provider"`
	CreatedAt       string `json:"created_at"`
	UpdatedAt       string `json:"updated_at"`
	Usage           object `json:"usage"`
	Metadata        object `json:"metadata"`
	UnifiedResponse object `json:"unified_response"`
}

func read(id string) (*task, error) {
	request, err := http.NewRequest(http.MethodGet, os.Getenv("TASKGATE_URL")+"/api/v1/tasks/"+id, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-API-Key", os.Getenv("TASKGATE_API_KEY"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, errors.New("no such task")
	}
	var found task
	return &found, json.NewDecoder(response.Body).Decode(&found)
}

func wait(id string, timeout time.Duration) (*task, error) {
	start := time.Now()
	for {
		found, err := read(id)
		if err != nil {
			return nil, err
		}
		switch found.Status {
		case "TASK_STATUS_COMPLETED":
			return found, nil
		case "TASK_STATUS_FAILED":
			return nil, fmt.Errorf("failed: %s", found.Error)
		case "TASK_STATUS_TIMEOUT":
			return nil, errors.New("timed out")
		}
		if time.Since(start) > timeout {
			return nil, errors.New("no end in time")
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func main() {
	for _, id := range os.Args[1:] {
		found, err := wait(id, 30*time.Second)
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		fmt.Println("response:", found.Response)
		fmt.Println("result:", found.Result)
		fmt.Println("model:", found.ModelUsed, "of", found.Provider)
		fmt.Println("total tokens:", found.Usage["total_tokens"])
		fmt.Println("same id:", found.TaskID == found.WorkflowID)
	}
}
